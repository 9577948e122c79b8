"""Objectives by golden values and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewardsvc.aggregate import OBJECTIVES, disagreement, enough_members, objective_named
from rewardsvc.aggregate.objectives import (
    lower_bound,
    mean,
    median,
    uncertainty_weighted,
    worst_case,
)
from rewardsvc.errors import ConfigError

ONE_TO_FIVE = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])

matrices = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1e3, 1e3))
)
names = st.sampled_from(sorted(OBJECTIVES))


def test_golden_values() -> None:
    assert mean(ONE_TO_FIVE) == pytest.approx(3.0)
    assert worst_case(ONE_TO_FIVE) == pytest.approx(1.0)
    assert uncertainty_weighted(ONE_TO_FIVE) == pytest.approx(2.0)
    assert uncertainty_weighted(ONE_TO_FIVE, 0.1) == pytest.approx(2.8)
    assert lower_bound(ONE_TO_FIVE) == pytest.approx(3 - 2**0.5)
    assert lower_bound(ONE_TO_FIVE, 2.0) == pytest.approx(3 - 2 * 2**0.5)
    assert disagreement(ONE_TO_FIVE) == pytest.approx(2**0.5)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_one_member_is_its_own_objective(name: str) -> None:
    alone = np.array([[0.7], [-3.0]])
    np.testing.assert_array_equal(objective_named(name).with_parameters()(alone), [0.7, -3.0])
    np.testing.assert_array_equal(disagreement(alone), [0.0, 0.0])


@given(matrices)
def test_no_weight_is_the_mean(scores: np.ndarray) -> None:
    np.testing.assert_array_equal(uncertainty_weighted(scores, 0.0), mean(scores))
    np.testing.assert_array_equal(lower_bound(scores, 0.0), mean(scores))


@given(matrices, names, st.randoms())
def test_order_of_members_does_not_matter(scores: np.ndarray, name: str, rng: object) -> None:
    order = list(range(scores.shape[1]))
    rng.shuffle(order)  # type: ignore[attr-defined]
    objective = objective_named(name).with_parameters()
    np.testing.assert_allclose(objective(scores[:, order]), objective(scores), rtol=1e-9, atol=1e-6)


@given(matrices, names, st.floats(-100, 100))
def test_a_common_shift_shifts(scores: np.ndarray, name: str, shift: float) -> None:
    objective = objective_named(name).with_parameters()
    np.testing.assert_allclose(objective(scores + shift), objective(scores) + shift, atol=1e-6)
    np.testing.assert_allclose(disagreement(scores + shift), disagreement(scores), atol=1e-6)


@given(matrices, st.floats(0.01, 100))
def test_scaling(scores: np.ndarray, scale: float) -> None:
    for objective in (mean, worst_case, lower_bound, disagreement):
        np.testing.assert_allclose(
            objective(scores * scale), objective(scores) * scale, rtol=1e-6, atol=1e-6
        )
    # The variance has the unit squared: the weight takes it back.
    np.testing.assert_allclose(
        uncertainty_weighted(scores * scale, 0.5 / scale),
        uncertainty_weighted(scores, 0.5) * scale,
        rtol=1e-6,
        atol=1e-5,
    )


@given(matrices, st.floats(0, 100), st.data())
def test_mean_and_worst_case_never_fall_when_a_member_rises(
    scores: np.ndarray, rise: float, data: st.DataObject
) -> None:
    raised = scores.copy()
    raised[:, data.draw(st.integers(0, scores.shape[1] - 1))] += rise
    assert (mean(raised) >= mean(scores) - 1e-9).all()
    assert (worst_case(raised) >= worst_case(scores)).all()


@given(matrices, st.floats(0, 5), st.floats(0, 5))
def test_more_caution_is_never_higher(scores: np.ndarray, one: float, other: float) -> None:
    low, high = sorted((one, other))
    for objective in (uncertainty_weighted, lower_bound):
        assert (objective(scores, high) <= objective(scores, low)).all()


@given(matrices, names, st.data())
def test_a_failed_member_counts_as_absent(
    scores: np.ndarray, name: str, data: st.DataObject
) -> None:
    objective = objective_named(name).with_parameters()
    failure = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    at = data.draw(st.integers(0, scores.shape[1]))
    with_failure = np.insert(scores, at, failure, axis=1)
    np.testing.assert_allclose(objective(with_failure), objective(scores), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_no_member_left_is_nan(name: str) -> None:
    result = objective_named(name).with_parameters()(np.array([[np.nan, np.inf], [1.0, 1.0]]))
    assert np.isnan(result[0]) and result[1] == 1.0


def test_enough_members() -> None:
    scores = np.array([[1.0, np.nan, np.inf], [1.0, 2.0, np.nan], [1.0, 2.0, 3.0]])
    assert enough_members(scores, 2).tolist() == [False, True, True]
    assert enough_members(scores, 3).tolist() == [False, False, True]
    for wrong in (0, 4):
        with pytest.raises(ValueError, match=r"1\.\.3"):
            enough_members(scores, wrong)


@pytest.mark.parametrize("shape", [(3,), (2, 0), (1, 2, 3)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="samples, members"):
        mean(np.zeros(shape))


def test_no_samples_is_no_scores() -> None:
    assert mean(np.zeros((0, 3))).shape == (0,)
    assert worst_case(np.zeros((0, 3))).shape == (0,)


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(ConfigError, match="mean, worst_case, uncertainty_weighted, lower_bound"):
        objective_named("median_of_means")


def test_wrong_parameters_say_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match="mean takes no parameters, not z"):
        objective_named("mean").with_parameters(z=1.0)
    with pytest.raises(ConfigError, match="takes uncertainty_weight, not z"):
        objective_named("uncertainty_weighted").with_parameters(z=1.0)
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="finite number >= 0"):
            objective_named("lower_bound").with_parameters(z=wrong)


def test_median_of_odd_even_and_missing() -> None:
    scores = np.array(
        [
            [1.0, 9.0, 2.0, np.nan],
            [4.0, 1.0, 2.0, 3.0],
            [np.nan, np.nan, 5.0, np.inf],
            [np.nan] * 4,
        ]
    )
    np.testing.assert_array_equal(median(scores), [2.0, 2.5, 5.0, np.nan])


@given(arrays(np.float64, (3, 5), elements=st.floats(-10, 10)), st.floats(-1e6, 1e6))
def test_one_wild_member_cannot_move_the_median_beyond_the_others(
    scores: np.ndarray, wild: float
) -> None:
    others = scores[:, 1:].copy()
    scores[:, 0] = wild
    assert (median(scores) >= others.min(axis=1)).all()
    assert (median(scores) <= others.max(axis=1)).all()
