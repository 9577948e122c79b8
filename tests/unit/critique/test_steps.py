"""The step splitter: where steps begin and end, and that nothing of the text is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.critique.steps import StepSpan, split_steps


def steps(text: str, most: int | None = None) -> list[str]:
    return [text[span.start : span.end] for span in split_steps(text, most)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\n ", []),
        ("one", ["one"]),
        ("  one \n still one\n\n\n  \t\n two  ", ["one \n still one", "two"]),
        ("one\r\n\r\ntwo\rtoo\r\rthree", ["one", "two\rtoo", "three"]),
        ("Do:\n1. a\n2. b\n   3. in b\n(4) c", ["Do:", "1. a", "2. b\n   3. in b", "(4) c"]),
        ("Step 1: a\nStep 2: b\nSTEP 3 - c", ["Step 1: a", "Step 2: b", "STEP 3 - c"]),
        ("- Step 1: a\n* **Step 2:** b", ["- Step 1: a", "* **Step 2:** b"]),
        ("### Step 1\na\n**Step 2** b\nStep 3", ["### Step 1\na", "**Step 2** b", "Step 3"]),
        ("Step 1 follows from\nStep 2 by induction", ["Step 1 follows from\nStep 2 by induction"]),
        ("x =\n3.5 and\n- 2", ["x =\n3.5 and\n- 2"]),
        ("**Step 1:**\n\na\n\n**Step 2: add**\n\nb", ["**Step 1:**\n\na", "**Step 2: add**\n\nb"]),
        ("## Setup\n\n### Step 1\n\na\n\n## End", ["## Setup\n\n### Step 1\n\na", "## End"]),
        ("héé\n\n🙂 b", ["héé", "🙂 b"]),
    ],
)  # fmt: skip
def test_steps(text: str, expected: list[str]) -> None:
    assert steps(text) == expected


@pytest.mark.parametrize(
    "block",
    [
        "```python\na\n\n1. b\n\nc\n```",
        "~~~\na\n\n```\n\nb\n~~~~",
        "1. ```\na\n\nb\n```",
        "````\n```\n\nStep 1: x\n\n```\n````",
        "\\[\na\n\n= b\n\\]",
        "so \\[ a\n\nb \\] holds",
        "$$\na\n\nb\n$$",
        "$$a =\n\nb$$",
        "\\begin{align*}\na\n\nb \\begin{array}{c}\n1\n\n2\\end{array}\n\nc\n\\end{align*}",
    ],
)
def test_blocks_are_not_cut(block: str) -> None:
    assert steps(f"before\n\n{block}\n\nafter") == ["before", block, "after"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```\na\n\nb", ["```\na", "b"]),
        ("```inline``` a\n\nb\n\n```", ["```inline``` a", "b", "```"]),
        ("\\[ a\n\nb\n\n\\[\n\nc\\]", ["\\[ a", "b", "\\[\n\nc\\]"]),
        ("\\begin{align}\na\n\nb", ["\\begin{align}\na", "b"]),
        ("\\begin{proof}\n\nb\n\n\\end{proof}", ["\\begin{proof}", "b", "\\end{proof}"]),
        ("It costs $$5.\n\n$$x$$ is\n\nmore", ["It costs $$5.", "$$x$$ is", "more"]),
        ("$$ a\n\nb", ["$$ a", "b"]),
    ],
)
def test_what_is_not_a_closed_block_is_ordinary_lines(text: str, expected: list[str]) -> None:
    assert steps(text) == expected


def test_offsets_are_those_of_the_response_as_sent() -> None:
    assert split_steps(" 🙂a\n\n\nb ") == (StepSpan(1, 3), StepSpan(6, 7))


def test_too_many_steps_are_joined_evenly() -> None:
    text = "\n\n".join("abcdefg")
    assert steps(text, 3) == ["a\n\nb", "c\n\nd", "e\n\nf\n\ng"]
    assert steps(text, 1) == [text]
    assert steps(text, 7) == list("abcdefg")
    with pytest.raises(ValueError, match="at least 1"):
        split_steps(text, 0)


PIECES = [
    "\n", "\n\n", "\r\n", "\r", " ", "  ", "\u3000", "```", "````py\n", "~~~", "$$", "\\[", "\\]",
    "\\begin{align}", "\\end{align}", "Step 1:", "**Step 2:**", "# T", "1. ", "(2) ", "a", "🙂",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4)).map("".join), st.integers(1, 5))
def test_spans_cover_everything_but_whitespace(text: str, most: int) -> None:
    for limit in (None, most):
        spans = split_steps(text, limit)
        at = 0
        for span in spans:
            assert at <= span.start < span.end
            assert text[at : span.start].strip() == ""
            piece = text[span.start : span.end]
            assert piece.strip() == piece != ""
            at = span.end
        assert text[at:].strip() == ""
        assert limit is None or len(spans) <= limit
        assert (len(spans) == 0) == (text.strip() == "")


@pytest.mark.parametrize(
    "piece",
    [
        "```a\n",
        "```\n",
        "~~~",
        "\\[\n",
        "\\begin{align}\n\n",
        "$$\n",
        "1. a\n",
        "# a\n\n",
        " ",
        "`",
    ],
)
def test_hostile_repetition_is_linear(piece: str) -> None:
    # A quadratic scan of this would run into the time limit of the tests.
    split_steps("Step 1" + piece * 40_000 + "x")
