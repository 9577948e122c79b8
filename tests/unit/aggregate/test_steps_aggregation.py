"""Step aggregations, step rewards and the first-error score, at golden values."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.aggregate.first_error import (
    NO_ERROR,
    FirstErrorScore,
    first_error,
    first_error_score,
)
from rewardsvc.aggregate.step_rewards import (
    advantages,
    best_of_k_values,
    clip,
    delta,
    effective_values,
)
from rewardsvc.aggregate.steps import AGGREGATIONS, aggregate_steps

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("min", 0.2),
        ("product", 0.08),
        ("geometric_mean", 0.08 ** (1 / 3)),
        ("last", 0.8),
        ("mean", 0.5),
        ("max", 0.8),
    ],
)
def test_aggregations(name: str, expected: float) -> None:
    assert aggregate_steps(name, [0.5, 0.2, 0.8]) == pytest.approx(expected)
    assert aggregate_steps(name, [0.3]) == pytest.approx(0.3)
    assert aggregate_steps(name, []) is None
    assert aggregate_steps(name, [0.0, 0.0]) == 0
    assert AGGREGATIONS[name].bias


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.01, 1.01])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="the score of step 2 is"):
        aggregate_steps("max", [0.5, wrong])
    for function in (lambda s: advantages(s, 0.5), lambda s: best_of_k_values(s, 4)):
        with pytest.raises(ValueError, match="must lie in"):
            function([wrong])
    if not math.isfinite(wrong):
        for function in (delta, lambda s: clip(s, 0.5), lambda s: clip([0.5], s[0])):
            with pytest.raises(ValueError, match="not a finite number"):
                function([wrong])
    with pytest.raises(ValueError, match="must be one of min, product"):
        aggregate_steps("median", [0.5])


@given(probabilities)
def test_aggregations_lie_in_order(scores: list[float]) -> None:
    by = {name: aggregate_steps(name, scores) for name in AGGREGATIONS}
    assert all(value is not None and 0 <= value <= 1 for value in by.values())
    order = [by["product"], by["min"], by["geometric_mean"], by["mean"], by["max"]]
    assert all(a <= b + 1e-9 for a, b in pairwise(order))


def test_advantages_and_the_best_of_k_prover() -> None:
    assert best_of_k_values([0.3], 4) == pytest.approx([0.7599])
    assert best_of_k_values([0.0, 1.0, 0.3], 1) == pytest.approx([0, 1, 0.3])
    assert best_of_k_values([1e-18], 4) == pytest.approx([4e-18])
    assert advantages([0.5, 0.2, 0.9], 0.4) == pytest.approx([0.1, -0.3, 0.7])
    assert advantages([], 0.4) == []
    assert effective_values([0.5, 0.2], [0.1, -0.3], 0.5) == pytest.approx([0.55, 0.05])
    with pytest.raises(ValueError, match="at least 1"):
        best_of_k_values([0.3], 0)


@given(probabilities, st.floats(0, 1))
def test_advantages_telescope(values: list[float], before: float) -> None:
    assert math.fsum(advantages(values, before)) == pytest.approx(values[-1] - before, abs=1e-9)


def test_clip_and_delta() -> None:
    assert delta([0.5, 0.2, 0.9]) == pytest.approx([0.3, 0.2, 0])
    assert delta([0.7]) == [0]
    assert delta([]) == []
    assert clip([0.9, 0.3], 0.5) == pytest.approx([0, -0.2])
    assert delta(clip([0.9, 0.3, 0.1], 0.5)) == pytest.approx([0.2, -0.2, 0])


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=12))
def test_delta_telescopes(rewards: list[float]) -> None:
    paid = delta(rewards)
    for k in range(len(rewards) - 1):
        assert math.fsum(paid[k:]) == pytest.approx(rewards[k], abs=1e-9)
    assert paid[-1] == 0


def test_first_error_score() -> None:
    assert FirstErrorScore(0.5, 0.8).f1 == pytest.approx(0.615385, abs=1e-6)
    assert FirstErrorScore(0, 0).f1 == 0
    assert first_error([0.9, 0.4, 0.1]) == 1
    assert first_error([0.9, math.nan]) == 1
    assert first_error([0.9, 0.5]) == NO_ERROR == first_error([])
    score = first_error_score([1, 2, None, NO_ERROR, 0], [1, 3, 0, NO_ERROR, NO_ERROR])
    assert (score.erroneous_accuracy, score.correct_accuracy) == (pytest.approx(1 / 3), 0.5)
    assert math.isnan(first_error_score([1], [1]).f1)
    with pytest.raises(ValueError):
        first_error_score([1], [])
