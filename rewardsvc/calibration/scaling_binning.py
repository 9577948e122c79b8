"""Scaling-binning: Platt scaling, then the mean of its output within equal-mass bins.

Kumar, Liang and Ma 2019, "Verified uncertainty calibration" (arXiv 1909.10155). The output
takes few values, so that its calibration error can be measured; the label noise is that of
Platt's two parameters instead of one mean a bin. For the guarantee the three steps use
disjoint labels: by cluster, in hash order, a third each fits Platt, chooses the bins, and
gives the bins' means (the published code does all three on the same data; how the paper
splits was not at hand, the equal thirds are ours).
"""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.binning import bins_of, equal_mass_edges
from rewardsvc.calibration.histogram import bin_count
from rewardsvc.calibration.maps import Bins
from rewardsvc.calibration.platt import fit_platt
from rewardsvc.calibration.sample import CalibrationFailed, Sample

__all__ = ["fit_scaling_binning"]

_FEWEST_CLUSTERS = 6


def fit_scaling_binning(sample: Sample) -> Bins:
    """Bins of the score; an empty bin has Platt's probability at its middle.

    Raises:
        CalibrationFailed: fewer than six clusters, or labels that do not vary in the part
            that Platt scaling is fitted on.
    """
    _, codes = np.unique(sample.clusters, return_inverse=True)
    if codes.max(initial=-1) + 1 < _FEWEST_CLUSTERS:
        raise CalibrationFailed(
            f"scaling_binning splits by cluster in three; at least {_FEWEST_CLUSTERS} are needed"
        )
    scaling, edging, averaging = (sample.take(codes % 3 == part) for part in range(3))
    if scaling.labels.min() == scaling.labels.max():
        raise CalibrationFailed(
            f"scaling_binning: all {len(scaling)} labels of the first third are "
            f"{scaling.labels[0]:g}; more labels are needed"
        )
    platt = fit_platt(scaling)
    # Platt's map rises, so equal-mass bins of its output are equal-mass bins of the score.
    edges = equal_mass_edges(edging.scores, bin_count(len(sample)))
    place = bins_of(averaging.scores, edges)
    weight = np.bincount(place, weights=averaging.weights, minlength=len(edges) + 1)
    total = np.bincount(
        place, weights=averaging.weights * platt(averaging.scores), minlength=len(edges) + 1
    )
    ends = np.concatenate([[edging.scores.min()], edges, [edging.scores.max()]])
    middle = platt(ends[:-1] + (ends[1:] - ends[:-1]) / 2)
    mean = np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), middle)
    return Bins(edges, np.clip(mean, 0.0, 1.0))
