"""Calibration errors by bins, over `predictions` and `labels` in [0, 1], both (samples,).

* `expected_calibration_error`: sum_b (n_b / n) |mean label - mean prediction| over bins of
  equal width; the last is closed at 1. Biased upwards: noise adds to every bin.
* `adaptive_calibration_error`: the same over bins of equal mass.
* `debiased_l2_squared`: sum_b (n_b / n) [(mean prediction - mean label)^2 - v_b], v_b the
  estimated variance of the bin's mean label, y(1 - y) / (n_b - 1) for labels 0 and 1; a bin
  of fewer than two labels counts 0 (Kumar, Liang and Ma, arXiv 1909.10155). Unbiased up to
  the choice of bins, hence negative about half of the time where calibration is perfect.

Weights (1 / inclusion probability) count each sample that many times in means and shares;
v_b becomes sum w^2 (y - mean)^2 / (sum w)^2 * n_b / (n_b - 1), equal to the above for equal
weights (derived).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.binning import bins_of, equal_mass_edges
from rewardsvc.calibration.metrics.checked import checked
from rewardsvc.calibration.sample import Array

__all__ = [
    "BINS",
    "adaptive_calibration_error",
    "debiased_l2",
    "debiased_l2_squared",
    "equal_width_bins",
    "expected_calibration_error",
]

BINS = 15


def equal_width_bins(predictions: Array, bins: int = BINS) -> NDArray[np.intp]:
    """The bin of each prediction: [k / bins, (k + 1) / bins), the last closed at 1."""
    return np.minimum((predictions * bins).astype(np.intp), bins - 1)


def expected_calibration_error(
    predictions: Array, labels: Array, weights: Array | None = None, bins: int = BINS
) -> float:
    """ECE over bins of equal width, in [0, 1]."""
    p, y, w = checked(predictions, labels, weights)
    return _absolute_gap(p, y, w, equal_width_bins(p, bins))


def adaptive_calibration_error(
    predictions: Array, labels: Array, weights: Array | None = None, bins: int = BINS
) -> float:
    """ECE over bins of equal mass (equal predictions stay together), in [0, 1]."""
    p, y, w = checked(predictions, labels, weights)
    return _absolute_gap(p, y, w, bins_of(p, equal_mass_edges(p, bins)))


def debiased_l2_squared(
    predictions: Array, labels: Array, weights: Array | None = None, bins: int = BINS
) -> float:
    """The debiased square of the L2 calibration error over bins of equal mass; may be < 0."""
    p, y, w = checked(predictions, labels, weights)
    place = bins_of(p, equal_mass_edges(p, bins))
    count = np.bincount(place)
    weight, p_mean, y_mean = _means(p, y, w, place)
    spread = np.bincount(place, weights=w**2 * (y - y_mean[place]) ** 2)
    usable = count >= 2
    variance = spread[usable] / weight[usable] ** 2 * count[usable] / (count[usable] - 1)
    gap = (p_mean[usable] - y_mean[usable]) ** 2 - variance
    return float((weight[usable] * gap).sum() / weight.sum())


def debiased_l2(
    predictions: Array, labels: Array, weights: Array | None = None, bins: int = BINS
) -> float:
    """The debiased L2 calibration error, max(0, square) ** 0.5."""
    return math.sqrt(max(0.0, debiased_l2_squared(predictions, labels, weights, bins)))


def _absolute_gap(p: Array, y: Array, w: Array, place: NDArray[np.intp]) -> float:
    weight, p_mean, y_mean = _means(p, y, w, place)
    return float((weight * np.abs(p_mean - y_mean)).sum() / weight.sum())


def _means(p: Array, y: Array, w: Array, place: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    weight: Array = np.bincount(place, weights=w).astype(np.float64)
    safe = np.where(weight > 0, weight, 1.0)
    return (
        weight,
        np.bincount(place, weights=w * p) / safe,
        np.bincount(place, weights=w * y) / safe,
    )
