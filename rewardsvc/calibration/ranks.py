"""Where a score stands among the labelled ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.maps import PiecewiseLinear
from rewardsvc.calibration.sample import Array

__all__ = ["mid_ranks", "rank_curve", "thinned"]

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


def thinned(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` of the places 0 … count - 1, evenly, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))
