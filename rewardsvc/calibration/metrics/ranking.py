"""How well scores order the labels."""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.metrics.checked import checked
from rewardsvc.calibration.sample import Array

__all__ = ["auroc"]


def auroc(scores: Array, labels: Array, weights: Array | None = None) -> float | None:
    """The chance that a right response outscores a wrong one, ties counting half, in [0, 1].

    The Mann-Whitney statistic by mid-ranks. A label between 0 and 1 counts as that share of a
    right and the rest of a wrong response. None when there are no right or no wrong ones.
    """
    s, y, w = checked(scores, labels, weights, probabilities=False)
    values, place = np.unique(s, return_inverse=True)
    right = np.bincount(place, weights=w * y, minlength=len(values))
    wrong = np.bincount(place, weights=w * (1 - y), minlength=len(values))
    if right.sum() <= 0 or wrong.sum() <= 0:
        return None
    below = np.cumsum(wrong) - wrong / 2
    return float(min(1.0, (right @ below) / (right.sum() * wrong.sum())))
