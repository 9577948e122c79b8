"""Split-conformal intervals: where the label of the next sample lies, whatever the map.

With n residuals |label - prediction| of samples that the map has not seen, the radius is the
ceil((n + 1)(1 - miss))-th smallest, and infinite where that exceeds n (Vovk et al. 2005; Lei et
al. 2018). prediction +- radius then holds the next label with probability >= 1 - miss, if the
samples are exchangeable: one label a prompt, not several. It is an interval for a label, not
for the probability of one: for labels 0 and 1 it mostly says that either is possible.
"""

from __future__ import annotations

import math

import numpy as np

from rewardsvc.calibration.sample import Array

__all__ = ["conformal_interval", "conformal_radius", "conformal_rank"]


def conformal_rank(count: int, miss: float) -> int | None:
    """Which of `count` residuals, counted from 1 by size, is the radius; None: infinity is.

    Raises:
        ValueError: `miss` outside (0, 1).
    """
    if not 0 < miss < 1:
        raise ValueError(f"miss is {miss}; must lie between 0 and 1")
    # (9 + 1)(1 - 0.1) is a hair above 9 in floating point.
    rank = math.ceil((count + 1) * (1 - miss) - 1e-9)
    return rank if rank <= count else None


def conformal_radius(residuals: Array, miss: float = 0.1) -> float:
    """The radius from held-out absolute residuals (samples,); infinite with too few.

    Raises:
        ValueError: a residual that is negative or not finite.
    """
    values = np.sort(np.asarray(residuals, dtype=np.float64))
    if not ((values >= 0) & np.isfinite(values)).all():
        raise ValueError("residuals must be finite and >= 0")
    rank = conformal_rank(len(values), miss)
    return math.inf if rank is None else float(values[rank - 1])


def conformal_interval(predictions: Array, radius: float) -> tuple[Array, Array]:
    """The ends of the interval of each prediction's label, cut to [0, 1]."""
    values = np.asarray(predictions, dtype=np.float64)
    return np.clip(values - radius, 0.0, 1.0), np.clip(values + radius, 0.0, 1.0)
