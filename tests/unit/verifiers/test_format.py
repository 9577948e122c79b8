"""The format verifier: each rule, its first fault named, linear in the input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewardsvc_verifiers.format import FormatPolicy, verify
from rewardsvc_verifiers.verdict import Outcome

THINK_ANSWER = FormatPolicy(required_tags=("think", "answer"), nothing_outside_tags=True)


@pytest.mark.parametrize(
    ("response", "policy", "fault"),
    [
        ("<think>a</think> <answer>b</answer>", THINK_ANSWER, ""),
        ("<think></think>\n<answer></answer>\n", THINK_ANSWER, ""),
        ("<think>a<answer>b</answer>", THINK_ANSWER, "</think> is missing"),
        ("", THINK_ANSWER, "<think> is missing"),
        ("<think>a</think><think>a</think><answer>b</answer>", THINK_ANSWER, "occurs 2 times"),
        ("<answer>b</answer><think>a</think>", THINK_ANSWER, "before <think>"),
        ("<think>a<answer>b</think></answer>", THINK_ANSWER, "out of order"),
        ("</think>a<think><answer>b</answer>", THINK_ANSWER, "</think> stands before <think>"),
        ("hm <think>a</think><answer>b</answer>", THINK_ANSWER, "before <think>"),
        ("<think>a</think> hm <answer>b</answer>", THINK_ANSWER, "before <answer>"),
        ("<think>a</think><answer>b</answer> hm", THINK_ANSWER, "after </answer>"),
        ("hm <think>a</think>", FormatPolicy(required_tags=("think",)), ""),
        (r"so \boxed{42}", FormatPolicy(boxed_answer=True), ""),
        (r"so \boxed{\frac{1}{2}}", FormatPolicy(boxed_answer=True), ""),
        ("so 42", FormatPolicy(boxed_answer=True), "missing"),
        (r"so \boxed{ }", FormatPolicy(boxed_answer=True), "empty"),
        (r"\boxed{1} no, \boxed{\frac{1}{2}", FormatPolicy(boxed_answer=True), "not closed"),
        ("abc", FormatPolicy(minimum_characters=4), "3 characters; at least 4"),
        ("abcde", FormatPolicy(maximum_characters=4), "5 characters; at most 4"),
        ("éé", FormatPolicy(minimum_characters=2, maximum_characters=2), ""),
    ],
)
def test_each_rule_names_its_fault(response, policy, fault):
    verdict = verify(response, policy)
    assert verdict.outcome is (Outcome.INCORRECT if fault else Outcome.CORRECT)
    assert fault in verdict.reason
    assert verdict.stage == "format"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"required_tags": ("a b",)}, "'a b' is not a tag name"),
        ({"required_tags": ("",)}, "is not a tag name"),
        ({"required_tags": ("a", "a")}, "names a tag twice"),
        ({"minimum_characters": -1}, "-1 is negative"),
        ({"minimum_characters": 5, "maximum_characters": 4}, "4 is below"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        FormatPolicy(**fields)


@given(st.text(alphabet="<>/thinkaswer \\boxed{}", max_size=200))
def test_no_text_breaks_it(response):
    policy = FormatPolicy(("think", "answer"), True, True, 1, 150)
    assert verify(response, policy).decided


def test_a_megabyte_of_opening_braces_is_no_trouble():
    policy = FormatPolicy(boxed_answer=True)
    assert verify("\\boxed{" * 150_000, policy).outcome is Outcome.INCORRECT
