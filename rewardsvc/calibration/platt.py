"""Platt scaling: P = sigmoid(a * score + b), a >= 0, by maximum likelihood (Platt 1999)."""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.log_odds import center_and_scale, maximise_likelihood, smoothed
from rewardsvc.calibration.maps import LogOdds
from rewardsvc.calibration.sample import Sample

__all__ = ["fit_platt"]


def fit_platt(sample: Sample) -> LogOdds:
    """A sigmoid of the score: two parameters, for few labels."""
    center, scale = center_and_scale(sample)
    features = np.stack([(sample.scores - center) / scale, np.ones(len(sample))], axis=1)
    slope, intercept = maximise_likelihood(
        features, smoothed(sample), sample.weights, (True, False)
    ).tolist()
    return LogOdds(slope, slope, intercept, center, scale)
