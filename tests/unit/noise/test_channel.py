"""The noise channel and what undoes it: golden values, unbiasedness, and what normalising does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.noise import Channel, RateEstimate, leave_one_out_advantages, youden_of
from rewardsvc.noise.baselines import group_normalised

rates = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda r: r[0] + r[1] < 0.95)


def test_golden_values() -> None:
    channel = Channel(0.1, 0.2)
    verdicts = np.array([1.0, 0.0])
    np.testing.assert_allclose(channel.backward(verdicts), [1.285714, -0.142857], atol=1e-6)
    np.testing.assert_allclose(channel.forward(verdicts), [0.2, -0.8], atol=1e-12)
    assert channel.youden == pytest.approx(0.7)


@given(rates)
def test_corrections_have_the_expectations_they_promise(rho: tuple[float, float]) -> None:
    channel = Channel(*rho)
    accept_right, accept_wrong = 1 - rho[1], rho[0]
    (high, low), (w_high, w_low) = (
        correct(np.array([1.0, 0.0])) for correct in (channel.backward, channel.forward)
    )
    assert accept_right * high + (1 - accept_right) * low == pytest.approx(1, abs=1e-9)
    assert accept_wrong * high + (1 - accept_wrong) * low == pytest.approx(0, abs=1e-9)
    assert accept_right * w_high + (1 - accept_right) * w_low == pytest.approx(0, abs=1e-9)
    assert accept_wrong * w_high + (1 - accept_wrong) * w_low == pytest.approx(-channel.youden)


@given(rates, st.lists(st.booleans(), min_size=2, max_size=16))
def test_group_normalisation_undoes_both_corrections(
    rho: tuple[float, float], accepted: list[bool]
) -> None:
    verdicts, channel = np.array(accepted, dtype=float), Channel(*rho)
    plain = group_normalised(verdicts, epsilon=0.0) if verdicts.std() else np.zeros(len(verdicts))
    for corrected in (channel.backward(verdicts), channel.forward(verdicts)):
        if verdicts.std():
            np.testing.assert_allclose(group_normalised(corrected, 0.0), plain, atol=1e-6)
    # The leave-one-out baseline keeps the backward correction's scale.
    np.testing.assert_allclose(
        leave_one_out_advantages(channel.backward(verdicts)),
        leave_one_out_advantages(verdicts) / max(channel.youden, 0.05),
        atol=1e-9,
    )


def test_the_smallest_youden_bounds_the_variance() -> None:
    np.testing.assert_allclose(Channel(0.5, 0.49).backward(np.array([1.0, 0.0])), [10.0, -10.0])


@pytest.mark.parametrize(
    "rho", [(math.nan, 0.1), (0.1, math.nan), (-0.1, 0.1), (0.1, 1.1), (0.5, 0.5), (0.7, 0.6)]
)
def test_channels_that_cannot_be_are_refused(rho: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="rate"):
        Channel(*rho)


@pytest.mark.parametrize("reward", [math.nan, math.inf, -0.1, 1.5])
def test_rewards_outside_the_channel_are_refused(reward: float) -> None:
    for correct in (Channel(0.1, 0.2).backward, Channel(0.1, 0.2).forward):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            correct(np.array([0.5, reward]))


def test_leave_one_out_advantages() -> None:
    np.testing.assert_allclose(
        leave_one_out_advantages(np.array([1.0, 0.0, 0.5])), [0.75, -0.75, 0]
    )
    np.testing.assert_allclose(
        leave_one_out_advantages(np.array([1.0, np.nan, 0.0])), [1.0, 0.0, -1.0]
    )
    np.testing.assert_allclose(leave_one_out_advantages(np.array([0.7])), [0.7])


def test_youden_index_with_its_interval() -> None:
    index = youden_of(RateEstimate(0.1, 0.05, 0.2, 50.0), RateEstimate(0.2, 0.1, 0.3, 80.0))
    assert index.rate == pytest.approx(0.7)
    assert index.lower == pytest.approx(0.7 - math.hypot(0.1, 0.1))
    assert index.upper == pytest.approx(0.7 + math.hypot(0.05, 0.1))
    assert index.labels == 50
