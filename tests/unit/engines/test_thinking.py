"""Where thinking begins and ends, in text and in an opened turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.engines.hidden_states.thinking import (
    Markers,
    NoThinking,
    Thinking,
    find_thinking,
    open_tail,
)

MARKERS = Markers()


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("<think>a</think>b", False, Thinking("", "a")),
        ("so: <think>a</think>", False, Thinking("so: ", "a")),
        # First start, last end: quoted markers stay inside, a forged end moves the end.
        ("<think>a</think>b<think>c</think>d", False, Thinking("", "a</think>b<think>c")),
        ("<think>a</think>the end marker is </think>", False, Thinking("", "a</think>the end "
         "marker is ")),
        ("a</think>b", True, Thinking(None, "a")),
        ("a<think>b</think>", True, Thinking(None, "a<think>b")),
        ("\n<think>a</think>b", True, Thinking("\n", "a")),
    ],
)  # fmt: skip
def test_the_first_start_and_the_last_end_count(
    text: str, opened: bool, expected: Thinking
) -> None:
    assert find_thinking(text, MARKERS, opened=opened) == expected


@pytest.mark.parametrize(
    ("text", "opened", "kind"),
    [
        ("", False, "no start marker"),
        ("a</think>", False, "no start marker"),
        ("<THINK>a</THINK>", False, "no start marker"),
        ("<think>a", False, "no end marker"),
        ("a", True, "no end marker"),
        ("a</think><think>b", False, "markers out of order"),
        ("<think> \n</think>", False, "empty thinking"),
        ("\n</think>b", True, "empty thinking"),
    ],
)
def test_without_thinking_there_is_a_reason(text: str, opened: bool, kind: str) -> None:
    with pytest.raises(NoThinking) as caught:
        find_thinking(text, MARKERS, opened=opened)
    assert caught.value.kind == kind
    assert caught.value.reason


@given(st.text(alphabet="<>/think a"), st.booleans())
def test_what_is_found_is_in_the_text(text: str, opened: bool) -> None:
    try:
        found = find_thinking(text, MARKERS, opened=opened)
    except NoThinking:
        return
    head = "" if found.before is None else found.before + MARKERS.start
    assert text.startswith(head + found.inside + MARKERS.end)
    assert MARKERS.start not in (found.before or "")
    assert MARKERS.end not in text[len(head + found.inside + MARKERS.end) :]


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [(" ", "</t>", "start marker is blank"), ("<t>", "", "end marker is blank"),
     ("<t>", "<t>", "contain one another"), ("t>", "</t>", "contain one another")],
)  # fmt: skip
def test_markers_that_cannot_be_told_apart_are_refused(start: str, end: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Markers(start, end)


PIECES = ["user ", "assistant", "\n", "<think>", "<th", "ink>", ">\n", "<think", "a" * 40]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([0, 1, 2, 3], (1, 1)),
        ([0, 1, 3, 2, 2], (3, 3)),
        ([1, 4, 5], (2, 1)),
        ([1, 7, 6], (2, 1)),
        ([1, 4, 5, 2], (3, 2)),
        ([3, 1], None),
        ([3, 8, 8], None),
        ([0, 1, 2], None),
        ([], None),
    ],
)
def test_an_opened_turn_may_end_with_the_marker(
    ids: list[int], expected: tuple[int, int] | None
) -> None:
    def decode(chosen: object) -> str:
        return "".join(PIECES[i] for i in chosen)  # type: ignore[attr-defined]

    assert open_tail(ids, "<think>", decode) == expected
