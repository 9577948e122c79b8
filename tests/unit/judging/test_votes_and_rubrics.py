"""Votes, rubrics, listeners, bias figures and canaries."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.calibration.judgement import confidence_from_probabilities
from rewardsvc.judging.biases import BiasWindow, self_praise
from rewardsvc.judging.canaries import (
    CANARIES,
    CanaryCounts,
    CanarySchedule,
    false_positive_rate,
)
from rewardsvc.judging.candidates import Masses
from rewardsvc.judging.master_keys import MASTER_KEYS
from rewardsvc.judging.reference_based import probability_correct
from rewardsvc.judging.rubric import criterion_verdict, rubric_fault, score_rubric
from rewardsvc.judging.second_listener import heard_twice
from rewardsvc.judging.voting import (
    VoteRule,
    majority,
    next_votes,
    settled,
    summary,
)
from rewardsvc.types import Confidence, Criterion, CriterionVerdict, Outcome

RULES = list(VoteRule)


def test_majorities() -> None:
    assert majority([1, 1, 0]) == 1
    assert majority([1, 0]) is None
    assert majority([1, 0, 2]) is None
    assert majority([]) is None


def test_summaries() -> None:
    assert summary([0.2, 0.6, 0.4], VoteRule.MEAN) == pytest.approx(0.4)
    assert summary([0.2, 0.6, 0.4, 0.8], VoteRule.MEDIAN) == 0.4
    assert summary([1.0, 0.0], VoteRule.MAJORITY) is None
    for rule in RULES:
        assert summary([], rule) is None


@pytest.mark.parametrize("rule", [VoteRule.MEDIAN, VoteRule.MAJORITY])
def test_settled_means_that_nothing_can_change(rule: VoteRule) -> None:
    values = (0.0, 0.5, 1.0)
    for cast in range(1, 4):
        for left in range(1, 4):
            for votes in product(values, repeat=cast):
                before = summary(votes, rule)
                outcomes = {
                    summary([*votes, *later], rule)
                    for more in range(left + 1)
                    for later in product(values, repeat=more)
                }
                if settled(votes, left, rule):
                    assert outcomes == {before}, (votes, left)
                elif rule is VoteRule.MAJORITY:
                    assert outcomes != {before}, (votes, left)


def test_asks_for_the_fewest_votes_that_could_settle_it() -> None:
    assert next_votes([], 5, VoteRule.MAJORITY) == 3
    assert next_votes([1, 1, 1], 2, VoteRule.MAJORITY) == 0
    assert next_votes([1, 1, 0], 2, VoteRule.MAJORITY) == 1
    assert next_votes([1, 0], 3, VoteRule.MAJORITY) == 2
    assert next_votes([], 4, VoteRule.MEAN) == 4
    assert next_votes([0.5], 3, VoteRule.MEAN) == 3
    assert next_votes([], 3, VoteRule.MEDIAN) == 2
    assert next_votes([], 1, VoteRule.MAJORITY) == 1


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=7), st.randoms())
def test_the_order_of_votes_does_not_matter(votes: list[float], random: object) -> None:
    shuffled = list(votes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for rule in RULES:
        assert summary(shuffled, rule) == summary(votes, rule)
        assert settled(shuffled, 2, rule) == settled(votes, 2, rule)
    if votes:
        assert confidence_from_probabilities(shuffled) == confidence_from_probabilities(votes)


def verdict(
    name: str, score: float | None, weight: float = 1, hard: bool = False
) -> CriterionVerdict:
    outcome = (
        Outcome.UNDECIDED
        if score is None or score == 0.5
        else Outcome.CORRECT
        if score > 0.5
        else Outcome.INCORRECT
    )
    return CriterionVerdict(name, outcome, score, weight, hard)


def test_weighted_criteria() -> None:
    found = score_rubric([verdict("a", 1, 3), verdict("b", 0, 1), verdict("c", 0.5, 2)])
    assert found.value == pytest.approx((3 + 1) / 6)


def test_a_broken_hard_rule_fails_the_response() -> None:
    found = score_rubric([verdict("a", 1, 9), verdict("must", 0, 1, True), verdict("u", None)])
    assert (found.value, found.reason) == (0.0, "It breaks the hard rule 'must'.")
    assert score_rubric([verdict("must", 0, 0, True)]).value == 0.0


def test_an_undecided_hard_rule_decides_nothing() -> None:
    for score in (None, 0.5):
        found = score_rubric([verdict("a", 1), verdict("must", score, 1, True)])
        assert found.value is None
        assert "'must' could not be judged" in found.reason
    broken = [verdict("must", None, 1, True), verdict("other", 0, 1, True)]
    assert score_rubric(broken).value == 0.0


def test_missing_principles_need_a_quorum_of_weight() -> None:
    assert score_rubric([verdict("a", 1, 1), verdict("b", None, 1)]).value == 1.0
    found = score_rubric([verdict("a", 1, 1), verdict("b", None, 1.1)])
    assert found.value is None
    assert "weight 1 of 2.1" in found.reason
    assert score_rubric([verdict("a", 1, 0), verdict("b", None, 1)], 0.0).value is None


def test_gates_alone() -> None:
    assert score_rubric([verdict("must", 1, 0, True)]).value == 1.0


@pytest.mark.parametrize(
    ("rubric", "said"),
    [
        ([], "no criteria"),
        ([Criterion("a", "x", 0)], "all weights are 0"),
        ([Criterion("a", "x", -1)], "'a' has weight -1"),
        ([Criterion("a", "x", float("nan"))], "weight nan"),
        ([Criterion("a", "x"), Criterion("a", "y")], "two criteria are named 'a'"),
        ([Criterion("", " ")], "neither name nor description"),
    ],
)
def test_unusable_rubrics(rubric: list[Criterion], said: str) -> None:
    assert said in rubric_fault(rubric)


def test_usable_rubrics() -> None:
    assert rubric_fault([Criterion("a", "x", 0, True)]) == ""
    assert rubric_fault([Criterion("", "x"), Criterion("", "y", 0)]) == ""


def test_verdicts_of_criteria() -> None:
    criterion = Criterion("a", "x", 2, True)
    assert criterion_verdict(criterion, [True, True, False]).outcome is Outcome.CORRECT
    assert criterion_verdict(criterion, [False]).score == 0
    assert criterion_verdict(criterion, [True, False]).outcome is Outcome.UNDECIDED
    nobody = criterion_verdict(criterion, [])
    assert (nobody.outcome, nobody.score, nobody.weight) == (Outcome.UNDECIDED, None, 2)


def test_probability_of_correct() -> None:
    assert probability_correct(Masses({"CORRECT": 0.6, "INCORRECT": 0.2})) == pytest.approx(0.75)
    assert probability_correct(Masses({"CORRECT": 0.4})) is None
    assert probability_correct(Masses({"CORRECT": 0.4}), 0.3) == 1
    assert probability_correct(Masses({}), 0.0) is None


def test_confidence_from_probabilities() -> None:
    one = confidence_from_probabilities([1.0])
    assert (one.probability, one.upper) == (1.0, 1.0)
    assert one.lower == pytest.approx(0.2284, abs=1e-3)
    several = confidence_from_probabilities([0.9, 0.7, 0.8])
    assert several.probability == pytest.approx(0.8)
    assert several.lower < 0.8 < several.upper
    for bad in ([], [float("nan")], [1.2]):
        with pytest.raises(ValueError, match="probabilities"):
            confidence_from_probabilities(bad)


def test_disagreement_lowers_confidence() -> None:
    sure = Confidence(0.9, 0.8, 0.95, "votes")
    assert heard_twice(sure, 1.0, 1.0).probability == pytest.approx(0.9)
    assert heard_twice(sure, 1.0, 0.0).probability == pytest.approx(0.5)
    half = heard_twice(sure, 1.0, 0.5)
    assert half.probability == pytest.approx(0.7)
    assert (half.lower, half.upper) == (pytest.approx(0.7), 0.95)
    assert half.method == "votes+second_listener"
    assert heard_twice(sure, 1.0, 0.0, weight=0.5).probability == pytest.approx(0.7)
    unsure = heard_twice(Confidence(0.1, 0.05, 0.2, "votes"), 0.0, 1.0)
    assert (unsure.probability, unsure.upper) == (0.5, 0.5)
    with pytest.raises(ValueError, match="second_score"):
        heard_twice(sure, 1.0, float("nan"))


def test_self_praise() -> None:
    assert self_praise("This answer is correct and complete.") == 1
    assert (
        self_praise("As an expert, I have carefully verified it; I am sure that this is it.") == 3
    )
    assert self_praise("The sum of the series is 2.") == 0
    assert self_praise("my answer is " * 100_000) == 0


def test_bias_figures_find_what_was_planted() -> None:
    window = BiasWindow(400)
    for index in range(200):
        text = "x" * (2 ** (index % 8 + 2) - 1)
        praise = index % 3 == 0
        window.add(
            text + (" This answer is correct." if praise else ""),
            0.05 * (index % 8) + 0.2 * praise,
        )
    figures = window.figures()
    assert figures.samples == 200
    assert figures.length_correlation is not None and figures.length_correlation > 0.5
    assert figures.for_praise is not None and 0.1 < figures.for_praise < 0.3
    assert figures.per_doubling is not None and figures.per_doubling > 0.02


def test_exact_bias_figures() -> None:
    window = BiasWindow(64)
    for index in range(64):
        window.add("x" * (2 ** (index % 4 + 1) - 1), 0.1 * (index % 4 + 1))
    figures = window.figures()
    assert figures.length_correlation == pytest.approx(1.0)
    assert figures.per_doubling == pytest.approx(0.1)
    assert figures.for_praise is None


def test_bias_figures_need_data_that_varies() -> None:
    window = BiasWindow()
    for _ in range(19):
        window.add("x", 0.5)
    assert window.figures().length_correlation is None
    window.add("xx", 0.5)
    assert window.figures().length_correlation is None
    window.add("xxx", 0.7)
    assert window.figures().length_correlation is not None


def test_canaries_hold_every_master_key_that_is_not_blank() -> None:
    assert set(MASTER_KEYS) - {" "} <= set(CANARIES)
    assert "" in CANARIES


def test_canaries_are_due_by_count_and_by_time() -> None:
    schedule = CanarySchedule(every_samples=3, every_seconds=100, most_per_hour=3600)
    assert schedule.due(2, 0.0) is None
    assert schedule.due(1, 1.0) == CANARIES[0]
    assert schedule.due(1, 2.0) is None
    assert schedule.due(1, 100.0) is None
    assert schedule.due(0, 101.0) == CANARIES[1]
    assert schedule.due(0, 10_000.0) is None
    assert schedule.due(1, 10_000.0) == CANARIES[2]


def test_canaries_are_bounded_by_the_hour() -> None:
    schedule = CanarySchedule(every_samples=1, every_seconds=0, most_per_hour=60)
    times = [float(second) for second in range(600)]
    assert sum(schedule.due(1, now) is not None for now in times) == 10


def test_canaries_can_be_off() -> None:
    schedule = CanarySchedule(every_samples=0, every_seconds=0)
    assert [schedule.due(100, float(now)) for now in range(0, 10_000, 100)] == [None] * 100


def test_the_live_false_positive_rate() -> None:
    assert false_positive_rate(CanaryCounts()) is None
    none = false_positive_rate(CanaryCounts(20, 0))
    assert none is not None
    assert (none.estimate, none.lower) == (pytest.approx(0.5 / 21), 0.0)
    assert none.upper == pytest.approx(0.0906, abs=2e-3)
    every = false_positive_rate(CanaryCounts(4, 4))
    assert every is not None
    assert (every.estimate, every.upper) == (0.9, 1.0)
