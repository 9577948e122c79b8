"""Means corrected by rates or by a few gold labels; weights of tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.noise import (
    Channel,
    RateEstimate,
    design_based_mean,
    prediction_powered_mean,
    rogan_gladen,
    rogan_gladen_interval,
    weigh_tests,
)


def test_rogan_gladen() -> None:
    channel = Channel(0.1, 0.2)
    assert rogan_gladen(0.5, channel) == pytest.approx(0.571429, abs=1e-6)
    assert rogan_gladen(0.05, channel) == 0.0
    assert rogan_gladen(0.9, channel) == 1.0
    for wrong in (math.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match="acceptance_rate"):
            rogan_gladen(wrong, channel)


@given(st.floats(0, 1), st.floats(0, 0.45), st.floats(0, 0.45))
def test_rogan_gladen_inverts_the_channel(truth: float, a: float, b: float) -> None:
    accepted = truth * (1 - b) + (1 - truth) * a
    assert rogan_gladen(min(1.0, accepted), Channel(a, b)) == pytest.approx(truth, abs=1e-9)


def test_the_delta_method_agrees_with_simulation() -> None:
    rng = np.random.default_rng(0)
    n, m0, m1, truth = 1000, 150, 200, 0.4
    a, b = 0.1, 0.3
    accepted = rng.binomial(n, truth * (1 - b) + (1 - truth) * a, 4000) / n
    rho0, rho1 = rng.binomial(m0, a, 4000) / m0, rng.binomial(m1, b, 4000) / m1
    simulated = ((accepted - rho0) / (1 - rho0 - rho1)).std()
    found = rogan_gladen_interval(
        0.34, n, RateEstimate(a, 0.0, 1.0, m0), RateEstimate(b, 0.0, 1.0, m1)
    )
    assert found.mean == pytest.approx(truth)
    assert found.standard_error == pytest.approx(simulated, rel=0.05)
    assert found.lower < truth < found.upper
    rates = RateEstimate(a, 0.0, 1.0, m0), RateEstimate(b, 0.0, 1.0, m1)
    assert rogan_gladen_interval(0.34, math.inf, *rates).standard_error < found.standard_error
    with pytest.raises(ValueError, match="samples"):
        rogan_gladen_interval(0.34, 0, *rates)


def test_predictions_sharpen_the_mean_without_bias() -> None:
    rng = np.random.default_rng(0)
    errors, plain, covered = [], [], []
    for _ in range(300):
        y = (rng.random(2000) < 0.3).astype(float)
        f = 0.3 + 0.6 * y + 0.1 * rng.random(2000)  # biased by far
        found = prediction_powered_mean(y[:80], f[:80], f[80:])
        errors.append(found.mean - 0.3)
        plain.append(y[:80].mean() - 0.3)
        covered.append(found.lower <= 0.3 <= found.upper)
    assert abs(np.mean(errors)) < 0.003
    assert np.std(errors) < np.std(plain) / 2
    assert 0.85 < np.mean(covered) < 0.95


def test_prediction_powered_mean_by_hand() -> None:
    found = prediction_powered_mean(
        np.array([1.0, 0.0, 1.0]), np.array([0.8, 0.2, 0.6]), np.array([0.5, 0.7]), weight=0.5
    )
    assert found.mean == pytest.approx(0.5 * 0.6 + (0.6 - 0.1 + 0.7) / 3)
    residual = np.array([0.6, -0.1, 0.7])
    assert found.standard_error == pytest.approx(
        math.sqrt(0.25 * 0.02 / 2 + residual.var(ddof=1) / 3)
    )
    constant = prediction_powered_mean(np.array([1.0, 0.0]), np.full(2, 0.4), np.full(9, 0.4))
    assert (constant.weight, constant.mean) == (0.0, 0.5)


def test_design_based_mean() -> None:
    nan = math.nan
    found = design_based_mean(
        np.array([0.5, 0.5, 0.8, 0.2]), np.array([1.0, nan, nan, 0.0]), np.array([0.5, 0.5, 0.1, 1])
    )
    assert found.mean == pytest.approx((0.5 + 0.5 / 0.5 + 0.5 + 0.8 + 0.2 - 0.2) / 4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: prediction_powered_mean(np.ones(1), np.ones(1), np.ones(5)),
        lambda: prediction_powered_mean(np.ones(3), np.array([1, 1, math.nan]), np.ones(5)),
        lambda: prediction_powered_mean(np.ones(3), np.ones(3), np.ones(0)),
        lambda: prediction_powered_mean(np.ones(3), np.ones(3), np.ones(4), weight=math.nan),
        lambda: design_based_mean(np.ones(3), np.ones(3), np.array([1, 0, 1])),
        lambda: design_based_mean(np.ones(3), np.full(3, math.nan), np.ones(3)),
        lambda: design_based_mean(np.array([1, math.inf]), np.ones(2), np.ones(2)),
        lambda: weigh_tests(np.array([0.5, math.nan])),
        lambda: weigh_tests(np.array([])),
        lambda: weigh_tests(np.array([0.5]), sigma=0.0),
    ],
)
def test_wrong_numbers_are_refused(call) -> None:
    with pytest.raises(ValueError, match=r"must|no sample"):
        call()


def test_weights_of_tests() -> None:
    found = weigh_tests(np.array([0.9, 0.9, 0.1]), delta=0.0)
    np.testing.assert_allclose(found.weights, [0.083991, 0.083991, 0.832018], atol=1e-6)
    assert found.informative
    assert not weigh_tests(np.array([0.0, 1.0])).informative
