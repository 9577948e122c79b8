"""Rewards from outcomes: golden values, and what must never become a number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewardsvc_verifiers import Outcome, TestOutcome, TestStatus, Verdict
from rewardsvc_verifiers.code.rewards import (
    PassRates,
    all_or_nothing,
    difficulty_weighted,
    difficulty_weights,
    fraction_passed,
    group_pass_rates,
)
from rewardsvc_verifiers.code.verifier import conclude

STATUS = {"+": TestStatus.PASSED, "-": TestStatus.WRONG_ANSWER, "?": TestStatus.SANDBOX_ERROR}


def verdict(marks: str) -> Verdict:
    return conclude("", [TestOutcome(f"test {n}", STATUS[m]) for n, m in enumerate(marks)])


@pytest.mark.parametrize(
    ("marks", "outcome", "whole", "share"),
    [
        ("++", "correct", 1.0, 1.0),
        ("+-", "incorrect", 0.0, 0.5),
        ("+-?", "incorrect", 0.0, 0.5),
        ("+?", "error", None, 1.0),
        ("??", "error", None, None),
    ],
)
def test_outcome_and_plain_rewards(
    marks: str, outcome: str, whole: float | None, share: float | None
) -> None:
    judged = verdict(marks)
    assert judged.outcome == outcome
    assert all_or_nothing(judged) == whole
    assert fraction_passed(judged) == share


def test_no_program_is_a_zero_and_no_judgement_is_none() -> None:
    assert fraction_passed(Verdict(Outcome.NO_ANSWER, "", "extraction")) == 0.0
    assert fraction_passed(Verdict(Outcome.ERROR, "", "queue")) is None


def test_weights_follow_the_formula() -> None:
    weights = difficulty_weights({"a": 0.2, "b": 0.8}, alpha=2.0, sigma=0.1, delta=1e-6)
    density = 1 + math.exp(-(0.6**2) / 0.02) + 1e-6
    raw = {"a": math.exp(-0.4) / density, "b": math.exp(-1.6) / density}
    assert weights["a"] == pytest.approx(raw["a"] / (raw["a"] + raw["b"]))
    assert sum(weights.values()) == pytest.approx(1.0)


def test_many_like_tests_share_their_weight() -> None:
    rates = {f"easy {n}": 0.9 for n in range(9)} | {"hard": 0.1}
    weights = difficulty_weights(rates)
    assert weights["hard"] > 5 * weights["easy 0"]
    assert weights["hard"] > sum(weights[f"easy {n}"] for n in range(9))


def test_constant_tests_carry_no_weight() -> None:
    assert difficulty_weights({"a": 0.0, "b": 1.0, "c": 0.5}) == {"a": 0.0, "b": 0.0, "c": 1.0}
    group = [verdict("+-+"), verdict("+--")]
    assert difficulty_weighted(group) == [1.0, 0.0]
    assert difficulty_weighted([verdict("+-"), verdict("+-")]) == [None, None]


def test_what_could_not_run_is_left_out() -> None:
    group = [verdict("+?"), verdict("-+"), verdict("--")]
    assert group_pass_rates(group) == {"test 0": pytest.approx(1 / 3), "test 1": 0.5}
    rewards = difficulty_weighted(group)
    assert rewards[0] == 1.0
    assert 0 < rewards[1] < 1
    assert rewards[2] == 0.0


def test_a_compile_error_failed_every_test() -> None:
    broken = Verdict(
        Outcome.INCORRECT, "", "compile",
        tests=(TestOutcome("script", TestStatus.COMPILE_ERROR),),
    )  # fmt: skip
    assert group_pass_rates([verdict("++"), broken]) == {"test 0": 0.5, "test 1": 0.5}


def test_the_running_estimate_draws_rates_towards_the_past() -> None:
    estimate = PassRates(prior_weight=2.0, decay=0.5)
    estimate.update([verdict("+-"), verdict("--")])
    assert estimate.rate("test 0") == 0.5
    assert estimate.rate("other") is None
    assert estimate.blended({"test 0": 1.0, "other": 0.2}, 2) == {"test 0": 0.75, "other": 0.2}
    estimate.update([verdict("++"), verdict("++")])
    assert estimate.rate("test 0") == pytest.approx((0.5 + 2) / (1 + 2))


@given(st.lists(st.text("+-?", min_size=3, max_size=3), min_size=1, max_size=8))
def test_rewards_stay_in_range_and_more_passed_is_never_less(rows: list[str]) -> None:
    group = [verdict(row) for row in rows]
    rewards = difficulty_weighted(group)
    assert all(reward is None or 0 <= reward <= 1 for reward in rewards)
    for row, reward in zip(rows, rewards, strict=True):
        for other, better in zip(rows, rewards, strict=True):
            if "?" not in row + other and reward is not None and better is not None:
                dominated = all(b == "+" or a == "-" for a, b in zip(row, other, strict=True))
                assert not dominated or better >= reward - 1e-12


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_rates_outside_the_range_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="pass rate of test 'a'"):
        difficulty_weights({"a": rate})
