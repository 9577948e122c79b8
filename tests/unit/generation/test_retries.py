"""Retry-After in both its forms, and how pauses grow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.engines.openai.retries import pause_before_retry, retry_after_seconds

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("", 0.0),
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("-3", 0.0),
        ("soon", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("1e9", 0.0),
        ("9" * 400, 0.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 13:00:30 +0100", 30.0),
        ("Thu, 01 Jan 2026 11:59:00 GMT", 0.0),
        ("Thu, 99 Jan 2026 11:59:00 GMT", 0.0),
    ],
)
def test_retry_after(header: str | None, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.text(max_size=60))
def test_any_header_gives_a_finite_wait(header: str) -> None:
    assert 0 <= retry_after_seconds(header, NOW) < float("inf")


def test_pauses_grow_to_a_limit_and_never_undercut_retry_after() -> None:
    assert [pause_before_retry(k, jitter=lambda: 1.0) for k in (0, 1, 2, 20, 10_000)] == [
        0.25, 0.5, 1.0, 30.0, 30.0,
    ]  # fmt: skip
    assert pause_before_retry(3, jitter=lambda: 0.0) == 0.0
    assert pause_before_retry(3, 5.0, jitter=lambda: 0.0) == 5.0
