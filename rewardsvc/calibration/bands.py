"""The interval of a map at each score, at 90 %.

Whole clusters are resampled and the map is refitted; the ends are the 5 % and 95 % quantiles of
its value. Where the map is flat over some labelled scores (isotonic blocks, bins) that says too
little: ten right labels out of ten are right in every resample. There the band is widened to
the Jeffreys interval of the block's label mean, with Kish's effective number of labels divided
by the design effect of clustering. The band holds for one score at a time, not for all at once,
and does not cover that the form of the map may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rewardsvc.calibration.domains import Borrowing, Shifted
from rewardsvc.calibration.fitted import shift_log_odds
from rewardsvc.calibration.maps import Bins, PiecewiseLinear
from rewardsvc.calibration.method import FitMap, or_constant
from rewardsvc.calibration.ranks import thinned
from rewardsvc.calibration.sample import Array, Sample
from rewardsvc.intervals import (
    INTERVAL,
    cluster_counts,
    design_effect,
    jeffreys,
)

__all__ = ["Band", "band_of"]

_POINTS = 256


class Band(NamedTuple):
    """The interval's ends at increasing scores, each of shape (points,)."""

    x: Array
    lower: Array
    upper: Array


def band_of(
    fitted: Shifted, borrowing: Borrowing, fit: FitMap, *, rounds: int, seed: int = 0
) -> Band:
    """The band of a map that `borrowing.fit(fit, borrowing.sample)` made."""
    sample = borrowing.sample
    distinct = np.unique(sample.scores)
    knots = fitted.map.knots
    x = np.unique(
        np.concatenate([distinct[thinned(len(distinct), _POINTS)], knots[thinned(len(knots), 512)]])
        if len(knots)
        else distinct[thinned(len(distinct), _POINTS)]
    )
    values = np.stack(
        [
            _refit(borrowing, fit, sample.with_(weights=sample.weights * counts), counts > 0)(x)
            for counts in cluster_counts(sample.clusters, rounds, seed)
        ]
        or [fitted.map(x)]
    )
    tail = (1 - INTERVAL) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail], axis=0)
    if isinstance(fitted.map, Bins | PiecewiseLinear):
        block_lower, block_upper = _block_interval(fitted, sample, x)
        lower, upper = np.fmin(lower, block_lower), np.fmax(upper, block_upper)
    return Band(x, np.clip(lower, 0.0, 1.0), np.clip(upper, 0.0, 1.0))


def _refit(
    borrowing: Borrowing, fit: FitMap, sample: Sample, kept: np.typing.NDArray[np.bool_]
) -> Callable[[Array], Array]:
    again = borrowing.fit(or_constant(fit), sample.take(kept))
    return lambda x: shift_log_odds(again.map(x), again.shift)


def _block_interval(fitted: Shifted, sample: Sample, x: Array) -> tuple[Array, Array]:
    """Jeffreys' interval of the flat stretch that each of `x` is in; NaN outside of one."""
    value = fitted.map(sample.scores)
    levels, place = np.unique(value, return_inverse=True)
    total = np.bincount(place, weights=sample.weights)
    squares = np.bincount(place, weights=sample.weights**2)
    mean = np.bincount(place, weights=sample.weights * sample.labels) / total
    effect = design_effect(sample.labels - value, sample.weights, sample.clusters)
    # Never less than one label's worth: a block has at least one label.
    size = np.maximum(total**2 / squares / effect, 1.0)
    lower, upper = jeffreys(mean * size, size)
    lower, upper = np.minimum(lower, levels), np.maximum(upper, levels)
    at = fitted.map(x)
    block = np.clip(np.searchsorted(levels, at), 0, len(levels) - 1)
    flat = levels[block] == at
    shifted = (shift_log_odds(end, fitted.shift)[block] for end in (lower, upper))
    low, high = (np.where(flat, end, np.nan) for end in shifted)
    return low, high
