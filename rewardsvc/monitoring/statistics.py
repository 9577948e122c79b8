"""The figures that are watched: pure functions on arrays.

`drift` is the two-sample Kolmogorov–Smirnov statistic sup |F − G|, in [0, 1]: the largest
difference between the shares of two samples below any value. `rank_correlation` is Spearman's
rho with its interval by Fisher's transformation (standard error √(1.06 / (n − 3)), Fieller,
Hartley and Pearson, Biometrika 1957).
"""

from __future__ import annotations

from math import atanh, sqrt, tanh
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Correlation", "drift", "rank_correlation", "ratio_of_means"]

Array = NDArray[np.float64]


def drift(reference: Array, latest: Array) -> float:
    """The Kolmogorov–Smirnov statistic of two samples of at least one number each."""
    points = np.concatenate([reference, latest])
    below = [
        np.searchsorted(np.sort(sample), points, side="right") / len(sample)
        for sample in (reference, latest)
    ]
    return float(np.abs(below[0] - below[1]).max())


class Correlation(NamedTuple):
    """A correlation with its 90 % interval."""

    estimate: float
    lower: float
    upper: float


def rank_correlation(proxy: Array, truth: Array) -> Correlation | None:
    """Spearman's correlation; None with fewer than 4 pairs or where either is constant."""
    from scipy.stats import norm, rankdata  # heavy, and needed once a minute

    if len(proxy) < 4 or np.ptp(proxy) == 0 or np.ptp(truth) == 0:
        return None
    estimate = float(np.corrcoef(rankdata(proxy), rankdata(truth))[0, 1])
    centre = atanh(min(max(estimate, -1 + 1e-12), 1 - 1e-12))
    half = float(norm.ppf(0.95)) * sqrt(1.06 / (len(proxy) - 3))
    return Correlation(estimate, tanh(centre - half), tanh(centre + half))


def ratio_of_means(reference: Array, latest: Array) -> float | None:
    """mean(latest) / mean(reference); None where the reference's mean is not above 0."""
    mean = float(reference.mean())
    return float(latest.mean()) / mean if mean > 0 else None
