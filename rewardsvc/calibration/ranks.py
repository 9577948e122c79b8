"""Where a score stands among the labelled ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.maps import PiecewiseLinear
from rewardsvc.calibration.sample import Array

__all__ = ["labelled_scores", "mid_ranks", "rank_curve", "thinned"]

_RANK_KNOTS = 512


def mid_ranks(scores: Array) -> Array:
    """Mid-rank of each score among all, in (0, 1); equal scores share theirs."""
    _, inverse, count = np.unique(scores, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(scores)
    return np.asarray(middle[inverse])


def rank_curve(scores: Array) -> PiecewiseLinear:
    """At most 512 distinct scores with their mid-ranks, the extremes among them."""
    x, places = np.unique(scores, return_index=True)
    kept = thinned(len(x), _RANK_KNOTS)
    return PiecewiseLinear(x[kept], mid_ranks(scores)[places[kept]])


def labelled_scores(curve: PiecewiseLinear, count: int) -> Array:
    """`count` evenly spaced quantiles of the scores that a rank curve was made of, ascending.

    Exact up to the spacing where the curve holds every distinct score: then the share at or
    below the k-th score is F_k = 2 rank_k - F_(k-1). Interpolated where scores were thinned out.
    """
    quantiles = (np.arange(count) + 0.5) / count
    if len(curve.x) >= _RANK_KNOTS:
        return np.asarray(np.interp(quantiles, curve.y, curve.x))
    below, shares = 0.0, []
    for rank in curve.y.tolist():
        below = 2 * rank - below
        shares.append(below)
    places = np.searchsorted(np.array(shares), quantiles)
    return curve.x[np.minimum(places, len(curve.x) - 1)]


def thinned(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` of the places 0 … count - 1, evenly, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))
