"""Beta calibration: log-odds = c + a log p - b log(1 - p), a, b >= 0.

Kull, Silva Filho and Flach 2017 ("Beta calibration", AISTATS). Scores that are not
probabilities are standardised and put through a sigmoid first, p = sigmoid(z): then the two
slopes a and b serve scores below and above the mean (derived).
"""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.log_odds import (
    are_probabilities,
    center_and_scale,
    maximise_likelihood,
    smoothed,
)
from rewardsvc.calibration.maps import LogOdds
from rewardsvc.calibration.sample import Sample

__all__ = ["fit_beta"]


def fit_beta(sample: Sample) -> LogOdds:
    """A curve of log-odds with one slope on either side: three parameters."""
    if are_probabilities(sample.scores):
        plain = LogOdds(1.0, 1.0, 0.0, probabilities=True)
    else:
        plain = LogOdds(1.0, 1.0, 0.0, *center_and_scale(sample))
    z = plain.standardised(sample.scores)
    features = np.stack([-np.logaddexp(0, -z), np.logaddexp(0, z), np.ones(len(z))], axis=1)
    left, right, intercept = maximise_likelihood(
        features, smoothed(sample), sample.weights, (True, True, False)
    ).tolist()
    return LogOdds(left, right, intercept, plain.center, plain.scale, plain.probabilities)
