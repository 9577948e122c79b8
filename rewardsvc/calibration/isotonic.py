"""Isotonic calibration: the monotone map from score to probability that fits labels best.

Weighted least squares under monotonicity by pool-adjacent-violators (scikit-learn's
IsotonicRegression); AutoCal-R's monotone map (CJE, arXiv 2512.11150). Every block's value is
the weighted mean of its labels, so the map keeps the mean of the labels on the sample it was
fitted on. Between blocks it is linear, outside constant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.maps import PiecewiseLinear
from rewardsvc.calibration.sample import Array, CalibrationFailed, Sample

__all__ = ["blocks_of", "fit_isotonic"]


def fit_isotonic(sample: Sample) -> PiecewiseLinear:
    """The monotone map of least squared error, with a knot at both ends of each block.

    Raises:
        CalibrationFailed: the best monotone map is a constant.
    """
    block = blocks_of(sample.scores, sample.labels, sample.weights)
    weight = np.bincount(block, weights=sample.weights)
    mean = np.bincount(block, weights=sample.weights * sample.labels) / weight
    if len(mean) == 1:
        raise CalibrationFailed(
            "the fit collapsed to a constant: no threshold on the score separates the "
            f"{len(sample)} labels"
        )
    first = np.full(len(mean), np.inf)
    last = np.full(len(mean), -np.inf)
    np.minimum.at(first, block, sample.scores)
    np.maximum.at(last, block, sample.scores)
    # A block of one score has one knot.
    x, places = np.unique(np.stack([first, last], axis=1).ravel(), return_index=True)
    return PiecewiseLinear(x, np.clip(mean[places // 2], 0.0, 1.0))


def blocks_of(scores: Array, labels: Array, weights: Array) -> NDArray[np.intp]:
    """For each labelled score, the number of its block; blocks count up with the score."""
    from sklearn.isotonic import isotonic_regression  # heavy: only where a map is fitted

    _, inverse = np.unique(scores, return_inverse=True)
    weight = np.bincount(inverse, weights=weights)
    mean = np.bincount(inverse, weights=weights * labels) / weight
    fitted = isotonic_regression(mean, sample_weight=weight)
    block = np.concatenate([[0], np.cumsum(np.diff(fitted) > 1e-12)]).astype(np.intp)
    return np.asarray(block[inverse])
