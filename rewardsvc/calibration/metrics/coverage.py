"""Whether intervals hold what they say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rewardsvc.calibration.sample import Array
from rewardsvc.intervals import jeffreys

__all__ = ["Coverage", "interval_coverage"]


class Coverage(NamedTuple):
    """The share of truths inside their intervals, with its own 95 % Jeffreys interval."""

    share: float
    lower: float
    upper: float
    mean_width: float


def interval_coverage(lower: Array, upper: Array, truth: Array) -> Coverage:
    """How often lower <= truth <= upper, over arrays of one shape (intervals,).

    Raises:
        ValueError: shapes that differ, no intervals, or a NaN.
    """
    low, high, value = (np.asarray(each, dtype=np.float64) for each in (lower, upper, truth))
    if low.ndim != 1 or not len(low) or low.shape != high.shape or low.shape != value.shape:
        raise ValueError("lower, upper and truth must have one shape (intervals,), not empty")
    if np.isnan(low).any() or np.isnan(high).any() or np.isnan(value).any():
        raise ValueError("lower, upper and truth must not be NaN")
    inside = float(((low <= value) & (value <= high)).sum())
    bounds = jeffreys(np.array([inside]), np.array([float(len(low))]), 0.95)
    return Coverage(
        inside / len(low), float(bounds[0][0]), float(bounds[1][0]), float((high - low).mean())
    )
