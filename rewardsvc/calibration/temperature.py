"""Temperature scaling: P = sigmoid(logit / T) (Guo et al. 2017, arXiv 1706.04599).

One parameter: it cannot move a base rate, so it is for scores that are log-odds already, or
probabilities (all labelled scores in [0, 1]), whose logit is taken.
"""

from __future__ import annotations

from rewardsvc.calibration.log_odds import are_probabilities, maximise_likelihood, smoothed
from rewardsvc.calibration.maps import LogOdds
from rewardsvc.calibration.sample import Sample

__all__ = ["fit_temperature"]


def fit_temperature(sample: Sample) -> LogOdds:
    """A sigmoid of the score divided by the temperature, T = 1 / `left`."""
    plain = LogOdds(1.0, 1.0, 0.0, probabilities=are_probabilities(sample.scores))
    z = plain.standardised(sample.scores)
    size = max(1e-12, float(abs(z).mean()))
    (slope,) = maximise_likelihood(
        z[:, None] / size, smoothed(sample), sample.weights, (True,)
    ).tolist()
    return LogOdds(slope / size, slope / size, 0.0, probabilities=plain.probabilities)
