"""The Brier score and its exact decomposition over bins.

Brier = reliability - resolution + uncertainty + within-bin variance - within-bin covariance;
the first three alone (Murphy 1973) add up only where each bin has one prediction. With means
p_b, y_b of bin b, shares q_b and the mean label y (Stephenson, Coelho and Jolliffe 2008):

    reliability            sum_b q_b (p_b - y_b)^2
    resolution             sum_b q_b (y_b - y)^2
    uncertainty            variance of the labels; y (1 - y) for labels 0 and 1
    within_bin_variance    mean of (p_i - p_b)^2
    within_bin_covariance  mean of 2 (p_i - p_b)(y_i - y_b)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rewardsvc.calibration.metrics.binned import BINS, equal_width_bins
from rewardsvc.calibration.metrics.checked import checked
from rewardsvc.calibration.sample import Array

__all__ = ["BrierDecomposition", "brier_decomposition", "brier_score"]


class BrierDecomposition(NamedTuple):
    """The five terms; `brier` is their signed sum."""

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bin_variance: float
    within_bin_covariance: float


def brier_score(predictions: Array, labels: Array, weights: Array | None = None) -> float:
    """Mean squared difference of prediction and label, in [0, 1]; lower is better."""
    p, y, w = checked(predictions, labels, weights)
    return float(np.average((p - y) ** 2, weights=w))


def brier_decomposition(
    predictions: Array, labels: Array, weights: Array | None = None, bins: int = BINS
) -> BrierDecomposition:
    """The decomposition over bins of equal width."""
    p, y, w = checked(predictions, labels, weights)
    place = equal_width_bins(p, bins)
    weight = np.bincount(place, weights=w, minlength=bins)
    safe = np.where(weight > 0, weight, 1.0)
    p_bin = np.bincount(place, weights=w * p, minlength=bins) / safe
    y_bin = np.bincount(place, weights=w * y, minlength=bins) / safe
    share = weight / w.sum()
    mean = np.average(y, weights=w)
    return BrierDecomposition(
        brier_score(p, y, w),
        float(share @ (p_bin - y_bin) ** 2),
        float(share @ (y_bin - mean) ** 2),
        float(np.average((y - mean) ** 2, weights=w)),
        float(np.average((p - p_bin[place]) ** 2, weights=w)),
        float(np.average(2 * (p - p_bin[place]) * (y - y_bin[place]), weights=w)),
    )
