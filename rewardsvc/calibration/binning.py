"""Equal-mass bins of scores: their edges, and means within them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.sample import Array

__all__ = ["bins_of", "equal_mass_edges"]


def equal_mass_edges(scores: Array, bins: int) -> Array:
    """At most bins - 1 strictly increasing edges between distinct scores.

    Each lies midway between two neighbouring scores; equal scores are never parted, so heavy
    ties give fewer bins.
    """
    ordered = np.sort(scores)
    cuts = np.linspace(0, len(ordered), bins + 1)[1:-1].round().astype(np.intp)
    edges = []
    for cut in np.unique(cuts[(cuts > 0) & (cuts < len(ordered))]).tolist():
        # The nearest place at which the score changes.
        value = ordered[cut]
        below = int(np.searchsorted(ordered, value, side="left"))
        above = int(np.searchsorted(ordered, value, side="right"))
        place = below if cut - below <= above - cut and below > 0 else above
        if 0 < place < len(ordered):
            edges.append(_between(float(ordered[place - 1]), float(ordered[place])))
    return np.unique(np.array(edges, dtype=np.float64))


def bins_of(scores: Array, edges: Array) -> NDArray[np.intp]:
    """The bin of each score: bin k holds edges[k - 1] <= score < edges[k]."""
    return np.asarray(np.searchsorted(edges, scores, side="right"), dtype=np.intp)


def _between(low: float, high: float) -> float:
    """A number in (low, high], about the middle."""
    middle = low + (high - low) / 2
    return middle if low < middle else high
