"""Metrics against golden values (some made with the named packages), identities, and edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsvc.calibration import metrics
from rewardsvc.calibration.metrics import (
    aurc,
    auroc,
    brier_decomposition,
    debiased_l2_squared,
    excess_aurc,
    expected_calibration_error,
    interval_coverage,
    measure,
    risk_coverage_curve,
    selective_threshold,
    smooth_ece,
)

PLACES = np.arange(300)
P = np.round((PLACES * 0.6180339887498949 + 0.1) % 1, 6)
Y = (((PLACES * 1.4142135623730951) % 1) < P**1.5).astype(float)
samples = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.floats(0.1, 10)), min_size=1, max_size=60
).map(lambda rows: tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True)))


def test_golden_values_of_other_packages() -> None:
    # uncertainty-calibration 0.1.4: get_calibration_error(p=2, debias), get_ece, get_ece_em.
    assert metrics.debiased_l2(P, Y) == pytest.approx(0.06735889147168168, abs=1e-12)
    assert expected_calibration_error(P, Y) == pytest.approx(0.09626580666666668, abs=1e-12)
    found = metrics.adaptive_calibration_error(P, Y)
    assert found == pytest.approx(0.09643746666666667, abs=1e-12)
    # relplot 1.0.3's smECE, which works on a coarser grid.
    assert smooth_ece(P, Y) == pytest.approx(0.09584295151643307, abs=5e-4)


def test_debiased_l2_of_one_bin() -> None:
    labels = np.array([0.0, 1.0] * 5)
    assert debiased_l2_squared(np.full(10, 0.7), labels) == pytest.approx(0.0122222, abs=1e-7)
    assert debiased_l2_squared(np.array([0.7]), np.array([1.0])) == 0.0


def test_debiasing_removes_what_noise_adds() -> None:
    rng = np.random.default_rng(0)
    squares, plain = [], []
    for _ in range(300):
        p = rng.random(300)
        y = (rng.random(300) < p).astype(float)
        squares.append(debiased_l2_squared(p, y))
        plain.append(expected_calibration_error(p, y))
    assert abs(np.mean(squares)) < 5e-4
    assert np.mean(plain) > 0.05


def test_perfect_predictions_have_no_error() -> None:
    p = Y.copy()
    assert expected_calibration_error(p, Y) == 0
    assert smooth_ece(p, Y) < 1e-3
    assert brier_decomposition(p, Y).brier == 0


@settings(max_examples=60, deadline=None)
@given(samples)
def test_the_brier_score_decomposes_exactly(data) -> None:
    p, y, w = data
    parts = brier_decomposition(p, y, w)
    total = parts.reliability - parts.resolution + parts.uncertainty
    total += parts.within_bin_variance - parts.within_bin_covariance
    assert total == pytest.approx(parts.brier, abs=1e-9)
    assert parts.brier == pytest.approx(np.average((p - y) ** 2, weights=w))


@settings(max_examples=40, deadline=None)
@given(samples)
def test_errors_lie_in_range_and_whole_weights_are_repetitions(data) -> None:
    p, y, w = data
    for error in (expected_calibration_error, metrics.adaptive_calibration_error, smooth_ece):
        assert 0 <= error(p, y, w) <= 1 + 1e-9
    times = np.ceil(w).astype(int)
    repeated = expected_calibration_error(np.repeat(p, times), np.repeat(y, times))
    assert expected_calibration_error(p, y, times.astype(float)) == pytest.approx(repeated)
    rank = auroc(np.repeat(p, times), np.repeat(y, times))
    assert auroc(p, y, times.astype(float)) == (None if rank is None else pytest.approx(rank))


def test_auroc_by_mid_ranks() -> None:
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert auroc(scores, np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(3.5 / 4)
    assert auroc(-scores, np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(0.5 / 4)
    assert auroc(np.zeros(4), np.array([0.0, 0.0, 1.0, 1.0])) == 0.5
    assert auroc(scores, np.ones(4)) is None


def test_what_is_undefined_says_why() -> None:
    quality = measure(np.array([0.5, 0.6]), np.ones(2), np.array([1.0, 2.0]))
    assert quality.metrics["auroc"] is None
    assert quality.undefined == {"auroc": "there are no wrong responses among 2 labels"}
    quality = measure(np.array([0.5, 0.6]), np.zeros(2), np.array([1.0, 2.0]))
    assert "no right" in quality.undefined["auroc"]
    assert all(value is None or math.isfinite(value) for value in quality.metrics.values())


def test_area_under_the_risk_coverage_curve() -> None:
    confidence, error = np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.0, 1.0, 0.0, 1.0])
    assert aurc(confidence, error) == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    best = (0 + 0 + 1 / 3 + 2 / 4) / 4
    assert excess_aurc(confidence, error) == pytest.approx(aurc(confidence, error) - best)
    assert excess_aurc(-error, error) == 0
    # Ties have no order: every permutation gives the same.
    tied = np.full(4, 0.5)
    assert aurc(tied, error) == aurc(tied, error[::-1]) == pytest.approx(0.5)
    curve = risk_coverage_curve(np.array([0.9, 0.9, 0.1]), np.array([0.0, 1.0, 1.0]))
    assert [tuple(point) for point in curve] == [
        (0.9, pytest.approx(2 / 3), 0.5),
        (0.1, 1.0, pytest.approx(2 / 3)),
    ]


def test_the_threshold_keeps_its_risk() -> None:
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(100):
        p = rng.random(2000)
        error = (rng.random(2000) > p).astype(float)
        point = selective_threshold(p, error, 0.2, miss=0.1)
        assert point is not None and point.coverage >= 0.2
        # The true risk above a threshold t is (1 - t) / 2.
        broken += (1 - point.threshold) / 2 > 0.2
    assert broken <= 15
    assert selective_threshold(np.arange(20.0), np.ones(20), 0.2) is None
    assert selective_threshold(rng.random(400), np.full(400, 0.05), 0.2).coverage == 1.0
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="largest_risk"):
            selective_threshold(np.ones(3), np.ones(3), wrong)


def test_interval_coverage() -> None:
    found = interval_coverage(np.zeros(10), np.full(10, 0.5), np.linspace(0, 0.9, 10))
    assert found.share == pytest.approx(0.6)
    assert found.lower < 0.6 < found.upper
    assert found.mean_width == 0.5
    with pytest.raises(ValueError, match="NaN"):
        interval_coverage(np.zeros(1), np.ones(1), np.array([math.nan]))
    with pytest.raises(ValueError, match="shape"):
        interval_coverage(np.zeros(1), np.ones(2), np.ones(1))


@pytest.mark.parametrize(
    ("p", "y", "w", "message"),
    [
        ([], [], None, "at least one"),
        ([0.5], [1.0, 0.0], None, "shape"),
        ([math.nan], [1.0], None, r"predictions must be in \[0, 1\]"),
        ([math.inf], [1.0], None, r"predictions must be in \[0, 1\]"),
        ([0.5], [math.nan], None, "labels"),
        ([0.5], [1.0], [0.0], "weights"),
        ([0.5], [1.0], [math.nan], "weights"),
    ],
)
def test_wrong_numbers_are_refused(p, y, w, message: str) -> None:
    weights = None if w is None else np.array(w)
    for metric in (expected_calibration_error, smooth_ece, brier_decomposition):
        with pytest.raises(ValueError, match=message):
            metric(np.array(p), np.array(y), weights)
