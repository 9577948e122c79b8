"""Combination and calibration by golden values; what is missing is never guessed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.aggregate.combination import COMBINATIONS, range_of
from rewardsvc.assembly import Part, Recipe, SameEverywhere, assemble
from rewardsvc.types import (
    Confidence,
    Group,
    GroupScores,
    MemberScore,
    Outcome,
    Response,
    Score,
    Status,
    Timing,
    Verdict,
)

VERSIONS = {"reward": "r-1"}
SURE = Confidence(0.9, 0.8, 1.0, "isotonic")


class Halving:
    """Calibrates a score to its half."""

    version, method = "halving-1", "halving"

    def apply(self, scores):
        return scores / 2

    def confidences(self, scores):
        return [Confidence(s / 2, 0.0, 1.0, "halving") for s in scores]


def group(size: int, name: str = "g") -> Group:
    return Group(name, "p", tuple(Response(f"{name}/{n}", "t") for n in range(size)))


def scores(*values: Score | float, timing: Timing | None = None) -> GroupScores:
    return GroupScores(
        tuple(v if isinstance(v, Score) else Score(Status.OK, v) for v in values),
        timing or Timing(),
    )


def test_a_plain_reward_is_its_score_with_everything_it_came_with():
    verdict = Verdict(Outcome.CORRECT, "same", "string")
    full = Score(Status.OK, 2.0, "", SURE, verdict, (MemberScore("m", 2.0),), 0.5)
    [[result]] = assemble(
        Recipe((Part("a"),), "weighted_sum"),
        [group(1)],
        [[scores(full, timing=Timing(1.0, 2.0))]],
        VERSIONS,
    )
    assert (result.reward, result.score, result.confidence) == (2.0, 2.0, SURE)
    assert (result.verdict, result.disagreement) == (verdict, 0.5)
    assert result.members == full.members
    assert result.timing == Timing(1.0, 2.0)
    assert result.versions == VERSIONS
    assert result.components == ()


@pytest.mark.parametrize(
    ("combination", "expected"),
    [("weighted_sum", 14.0), ("weighted_mean", 2.8), ("product", 48.0), ("minimum", 6.0)],
)
def test_combinations_by_golden_values(combination, expected):
    recipe = Recipe((Part("a", 3.0), Part("b", 2.0)), combination)
    [[result]] = assemble(recipe, [group(1)], [[scores(2.0)], [scores(4.0)]], VERSIONS)
    assert result.reward == pytest.approx(expected)
    assert result.score is None
    assert [(c.name, c.score, c.reward, c.weight) for c in result.components] == [
        ("a", 2.0, 2.0, 3.0),
        ("b", 4.0, 4.0, 2.0),
    ]


def test_a_weight_applies_to_a_single_component_too():
    [[result]] = assemble(
        Recipe((Part("a", 3.0),), "weighted_sum"), [group(1)], [[scores(2.0)]], VERSIONS
    )
    assert (result.reward, result.score) == (6.0, 2.0)


def test_a_calibrated_component_contributes_its_calibrated_value():
    recipe = Recipe((Part("a", 1.0, SameEverywhere(Halving())), Part("b", 1.0)), "weighted_sum")
    abstained = Score.unscored(Status.ABSTAINED, "no")
    [[first, second]] = assemble(
        recipe, [group(2)], [[scores(0.5, abstained)], [scores(1.0, 1.0)]], VERSIONS
    )
    assert first.reward == 1.25
    assert first.confidence == Confidence(0.25, 0.0, 1.0, "halving")
    assert [c.score for c in first.components] == [0.5, 1.0]
    assert second.status is Status.ABSTAINED
    assert second.reward is None
    assert second.confidence is None


@pytest.mark.parametrize("status", [s for s in Status if not s.scored])
def test_a_missing_part_means_no_reward(status):
    recipe = Recipe((Part("a"), Part("b", 0.0)), "weighted_sum")
    [[result]] = assemble(
        recipe, [group(1)], [[scores(1.0)], [scores(Score.unscored(status, "why"))]], VERSIONS
    )
    assert result.status is status
    assert result.reward is None
    assert result.reason == "b: why"


def test_the_gravest_status_wins_and_all_reasons_are_told():
    recipe = Recipe((Part("a"), Part("b"), Part("c")), "weighted_sum")
    parts = [
        [scores(Score.unscored(Status.ABSTAINED, "unsure"))],
        [scores(Score.unscored(Status.ERROR, "broken"))],
        [scores(Score(Status.TRUNCATED, 1.0, "cut"))],
    ]
    [[result]] = assemble(recipe, [group(1)], parts, VERSIONS)
    assert result.status is Status.ERROR
    assert result.reason == "a: unsure; b: broken; c: cut"


def test_a_truncated_part_makes_a_truncated_result_with_a_reward():
    recipe = Recipe((Part("a"), Part("b")), "weighted_sum")
    parts = [[scores(1.0)], [scores(Score(Status.TRUNCATED, 1.0, "cut"))]]
    [[result]] = assemble(recipe, [group(1)], parts, VERSIONS)
    assert (result.status, result.reward) == (Status.TRUNCATED, 2.0)


def test_a_combination_that_overflows_is_an_error():
    recipe = Recipe((Part("a", 1e300), Part("b", 1e300)), "product")
    [[result]] = assemble(recipe, [group(1)], [[scores(1e300)], [scores(1.0)]], VERSIONS)
    assert result.status is Status.ERROR
    assert result.reward is None
    assert "not a finite number" in result.reason


def test_the_confidence_of_several_parts_is_not_guessed():
    sure = Score(Status.OK, 1.0, confidence=SURE)
    parts = [[scores(sure)], [scores(sure)]]
    for chosen, expected in ((None, None), ("b", SURE)):
        recipe = Recipe((Part("a"), Part("b")), "weighted_sum", chosen)
        [[result]] = assemble(recipe, [group(1)], parts, VERSIONS)
        assert result.confidence == expected


def test_timing_is_the_longest_over_the_parts():
    recipe = Recipe((Part("a"), Part("b")), "weighted_sum")
    parts = [[scores(1.0, timing=Timing(1.0, 5.0))], [scores(1.0, timing=Timing(2.0, 3.0))]]
    [[result]] = assemble(recipe, [group(1)], parts, VERSIONS)
    assert result.timing == Timing(2.0, 5.0)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from(sorted(COMBINATIONS)))
def test_every_sample_gets_its_own_result_in_order(sizes, combination):
    groups = [group(size, str(index)) for index, size in enumerate(sizes)]
    numbers = iter(range(1, 100))
    part = [scores(*(float(next(numbers)) for _ in g.responses)) for g in groups]
    ones = [scores(*(1.0 for _ in g.responses)) for g in groups]
    recipe = Recipe((Part("a"), Part("one", 1.0)), combination)
    results = assemble(recipe, groups, [part, ones], VERSIONS)
    assert [[r.sample_id for r in g] for g in results] == [
        [r.sample_id for r in g.responses] for g in groups
    ]
    flat = [r for g in results for r in g]
    weights = np.ones(2)
    for result, score in zip(flat, [s.value for g in part for s in g.scores], strict=True):
        expected = COMBINATIONS[combination](np.array([[score, 1.0]]), weights)[0]
        assert result.reward == pytest.approx(expected)


@given(
    st.sampled_from(sorted(COMBINATIONS)),
    st.lists(
        st.tuples(st.floats(-5, 5), st.floats(0, 5), st.floats(-2, 2), st.floats(0, 1)),
        min_size=1,
        max_size=4,
    ),
)
def test_rewards_lie_within_the_stated_range(combination, parts):
    weights = np.array([weight for *_, weight, _ in parts])
    if combination == "weighted_mean" and abs(weights.sum()) < 1e-3:
        return
    ranges = [(low, low + width) for low, width, _, _ in parts]
    values = np.array([[low + width * share for low, width, _, share in parts]])
    [reward] = COMBINATIONS[combination](values, weights)
    low, high = range_of(combination, ranges, weights)
    assert low - 1e-6 <= reward <= high + 1e-6


def test_an_unbounded_part_makes_an_unbounded_reward():
    assert range_of("weighted_sum", [(0.0, 1.0), (None, None)], np.ones(2)) == (None, None)
