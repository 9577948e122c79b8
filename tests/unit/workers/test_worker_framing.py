"""Frames survive any chopping, and nonsense is refused."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewardsvc_verifiers.workers.framing import BrokenMessage, Frames, encode

MESSAGES = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=6,
)


@given(MESSAGES, st.integers(1, 40))
def test_messages_come_out_as_they_went_in(messages: list[Any], size: int) -> None:
    data = b"".join(encode(message) for message in messages)
    frames = Frames()
    found: list[Any] = []
    for start in range(0, len(data), size):
        found.extend(frames.feed(data[start : start + size]))
    assert found == messages


def test_a_length_over_the_cap_is_refused_before_the_body_arrives() -> None:
    with pytest.raises(BrokenMessage, match="over 100"):
        Frames(100).feed(struct.pack("!I", 101))


@pytest.mark.parametrize("body", [b"nonsense", b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenMessage, match="not JSON"):
        Frames().feed(struct.pack("!I", len(body)) + body)


def test_a_message_too_large_to_send_is_told() -> None:
    with pytest.raises(ValueError, match="bytes is over"):
        encode("x" * (5 << 20))
