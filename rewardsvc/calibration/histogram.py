"""Histogram binning: the label mean in equal-mass bins (Zadrozny and Elkan 2001).

Bins need labels: their number is the cube root of the labels' (the rate that balances
variance against bias for a smooth curve), at most 15.
"""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.binning import bins_of, equal_mass_edges
from rewardsvc.calibration.maps import Bins
from rewardsvc.calibration.sample import Sample

__all__ = ["bin_count", "fit_histogram"]

MOST_BINS = 15


def bin_count(labels: int) -> int:
    """How many bins so many labels carry: 2 to 15."""
    return int(np.clip(np.ceil(labels ** (1 / 3) - 1e-9), 2, MOST_BINS))


def fit_histogram(sample: Sample) -> Bins:
    """The weighted label mean of each bin. Keeps the mean of the labels; need not rise."""
    edges = equal_mass_edges(sample.scores, bin_count(len(sample)))
    place = bins_of(sample.scores, edges)
    weight = np.bincount(place, weights=sample.weights)
    mean = np.bincount(place, weights=sample.weights * sample.labels) / weight
    return Bins(edges, np.clip(mean, 0.0, 1.0))
