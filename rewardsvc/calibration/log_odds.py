"""Fits curves of log-odds: what Platt scaling, temperature and beta calibration share.

Weighted maximum likelihood of log-odds linear in up to three features, by Newton's method
(milliseconds less a fit than a general solver, which the bootstrap repeats hundreds of times);
coefficients are at least 0 where a map must rise. Labels are smoothed as Platt (1999)
does, y -> y (n1 + 1) / (n1 + 2) + (1 - y) / (n0 + 2) with n1, n0 the numbers of right and
wrong labels, so that labels which a threshold separates do not send the slope to infinity.
"""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.sample import Array, Sample

_RIDGE = 1e-10
_STEPS = 50
_SMALLEST_STEP = 1e-6
_SMALLEST_GAIN = 1e-13

__all__ = ["are_probabilities", "center_and_scale", "maximise_likelihood", "smoothed"]


def smoothed(sample: Sample) -> Array:
    """Platt's targets for the labels, strictly inside (0, 1)."""
    right = float(sample.labels.sum())
    wrong = len(sample) - right
    return np.asarray(sample.labels * (right + 1) / (right + 2) + (1 - sample.labels) / (wrong + 2))


def maximise_likelihood(
    features: Array, targets: Array, weights: Array, rising: tuple[bool, ...]
) -> Array:
    """The coefficients, shape (features,), of the log-odds `features @ coefficients`.

    `features` is (labels, features), `targets` in (0, 1) and `weights` (labels,); coefficients
    that `rising` marks are at least 0: one that comes out below is set to 0 and the others are
    fitted again.
    """
    free = np.ones(len(rising), dtype=np.bool_)
    coefficients = np.zeros(len(rising))
    while True:
        coefficients[free] = _newton(features[:, free], targets, weights / weights.sum())
        falling = (coefficients < 0) & np.array(rising)
        if not falling.any():
            return coefficients
        # The most negative one first; without it the next may rise again.
        dropped = int(np.argmin(np.where(falling, coefficients, 0.0)))
        free[dropped] = False
        coefficients[dropped] = 0.0


def _newton(features: Array, targets: Array, share: Array) -> Array:
    """Newton's method on a convex loss, halving steps that do not descend."""
    coefficients = np.zeros(features.shape[1])
    ridge = _RIDGE * np.eye(len(coefficients))

    def loss_at(odds: Array) -> float:
        return float(share @ (np.logaddexp(0, odds) - targets * odds))

    odds = np.zeros(len(targets))
    loss = loss_at(odds)
    for _ in range(_STEPS):
        p = np.exp(-np.logaddexp(0, -odds))
        slope = features.T @ (share * (p - targets))
        curvature = (features.T * (share * p * (1 - p))) @ features + ridge
        step = np.linalg.solve(curvature, slope)
        size = 1.0
        while size > _SMALLEST_STEP:
            trial = coefficients - size * step
            trial_odds = features @ trial
            trial_loss = loss_at(trial_odds)
            if trial_loss <= loss:
                break
            size /= 2
        else:
            break
        gain, coefficients, odds, loss = loss - trial_loss, trial, trial_odds, trial_loss
        if gain < _SMALLEST_GAIN:
            break
    return coefficients


def are_probabilities(scores: Array) -> bool:
    """Whether all scores lie in [0, 1]: such scores are read as probabilities."""
    return bool(((scores >= 0) & (scores <= 1)).all())


def center_and_scale(sample: Sample) -> tuple[float, float]:
    """Weighted mean and standard deviation of the scores; the latter is > 0."""
    center = float(np.average(sample.scores, weights=sample.weights))
    variance = float(np.average((sample.scores - center) ** 2, weights=sample.weights))
    return center, max(variance**0.5, float(np.finfo(np.float64).tiny))
