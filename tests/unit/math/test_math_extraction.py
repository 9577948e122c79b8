"""Only a declared answer is an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from math_responses import RESPONSES
from rewardsvc_verifiers.math import MathVerifier, SymbolicTask
from rewardsvc_verifiers.math.extract import extract, matching_brace, reference_answer

VERIFIER = MathVerifier()


def outcome(response: str, reference: str) -> str:
    result = VERIFIER.attempt(response, VERIFIER.prepare(reference))
    return str(result.undecided.outcome if isinstance(result, SymbolicTask) else result.outcome)


@pytest.mark.parametrize(
    ("reference", "response", "expected"), RESPONSES, ids=[repr(r[1][-40:]) for r in RESPONSES]
)
def test_responses(reference: str, response: str, expected: str) -> None:
    assert outcome(response, reference) == expected


@pytest.mark.parametrize(
    ("response", "channel"),
    [
        (r"\boxed{1}", "box"), ("<answer>1</answer>", "answer_tag"), ("#### 1", "hashes"),
        ("Answer: 1", "phrase"), ("1", "bare"), ("nothing of that kind is to be found here", ""),
    ],
)  # fmt: skip
def test_channels(response: str, channel: str) -> None:
    assert extract(response).channel == channel


def test_an_answer_before_the_tail_is_not_seen() -> None:
    response = r"\boxed{42}" + " word" * 100
    assert extract(response, tail_characters=200).answer is None
    assert extract(response, tail_characters=2000).answer == "42"


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("5 + 3 = <<5+3=8>>8\n#### 8", "8"), (r"So \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("first\nA: 12", "12"), ("plain", "plain"), ("  7 ", "7"), ("A: 3,000", "3,000"),
        ("Answer: 4", "4"), ("A: 5, B: 7", "A: 5, B: 7"),
    ],
)  # fmt: skip
def test_references_may_be_whole_solutions(reference: str, answer: str) -> None:
    assert reference_answer(reference) == answer


@given(st.text(alphabet=r"{}\ab", max_size=60))
def test_matching_brace_balances(text: str) -> None:
    opening = "{" + text
    end = matching_brace(opening, 0)
    if end >= 0:
        inside = opening[1:end].replace("\\\\", "").replace("\\{", "").replace("\\}", "")
        assert opening[end] == "}"
        assert inside.count("{") == inside.count("}")


@given(st.text(max_size=300))
def test_extract_never_raises(text: str) -> None:
    found = extract(text)
    assert found.answer is None or found.channel


@given(st.text(alphabet="0123456789+-x", min_size=1, max_size=20), st.text(max_size=50))
def test_the_last_box_wins(content: str, before: str) -> None:
    noise = before.replace("\\", "").replace("<", "")
    assert extract(f"{noise} and so finally we have \\boxed{{{content}}}").answer == content
