"""AutoCal-R: the monotone or the two-stage map, whichever errs less out of fold.

CJE (arXiv 2512.11150): both are cross-fitted over whole clusters in hash order; the two-stage
map must beat the monotone one by more than a standard error. Here that is the standard error,
over clusters, of the paired difference in squared error. CJE's code also takes the two-stage
map when it is better, by however little, in two of three regions of the score; that is left
out, for between equally good maps it decides by chance, and a reward that falls where the
score rises needs a better reason.
"""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.isotonic import fit_isotonic
from rewardsvc.calibration.maps import CalibrationMap
from rewardsvc.calibration.method import Choice, or_constant
from rewardsvc.calibration.sample import Array, Sample, folds_of
from rewardsvc.calibration.two_stage import fit_two_stage

__all__ = ["choose_autocal"]


def choose_autocal(sample: Sample) -> Choice:
    """The monotone map, unless the two-stage one is surely better out of fold."""
    folds = folds_of(sample)
    difference: Array = np.zeros(len(sample))
    for fold in range(int(folds.max(initial=0)) + 1):
        inside = folds == fold
        rest = sample.take(~inside)
        monotone, two_stage = or_constant(fit_isotonic)(rest), or_constant(fit_two_stage)(rest)
        held = sample.take(inside)
        difference[inside] = held.weights * (
            _squared_error(monotone, held) - _squared_error(two_stage, held)
        )
    by_cluster = np.bincount(sample.clusters, weights=difference)
    by_cluster = by_cluster[np.unique(sample.clusters)]
    clusters = len(by_cluster)
    error = by_cluster.std(ddof=1) / np.sqrt(clusters) if clusters > 1 else np.inf
    if by_cluster.mean() > error > 0:
        return Choice(fit_two_stage, "two_stage")
    return Choice(fit_isotonic, "monotone")


def _squared_error(fitted: CalibrationMap, sample: Sample) -> Array:
    return np.asarray((fitted(sample.scores) - sample.labels) ** 2)
