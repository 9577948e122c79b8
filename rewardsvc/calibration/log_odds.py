"""Fits curves of log-odds: what Platt scaling, temperature and beta calibration share.

Weighted maximum likelihood of log-odds linear in some features, with coefficients bounded
below by 0 where a map must rise, by scipy's L-BFGS-B. Labels are smoothed as Platt (1999)
does, y -> y (n1 + 1) / (n1 + 2) + (1 - y) / (n0 + 2) with n1, n0 the numbers of right and
wrong labels, so that labels which a threshold separates do not send the slope to infinity.
"""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.sample import Array, Sample

__all__ = ["are_probabilities", "center_and_scale", "maximise_likelihood", "smoothed"]


def smoothed(sample: Sample) -> Array:
    """Platt's targets for the labels, strictly inside (0, 1)."""
    right = float(sample.labels.sum())
    wrong = len(sample) - right
    return np.asarray(sample.labels * (right + 1) / (right + 2) + (1 - sample.labels) / (wrong + 2))


def maximise_likelihood(
    features: Array, targets: Array, weights: Array, lowest: list[float | None], start: list[float]
) -> Array:
    """The coefficients, shape (features,), of the log-odds `features @ coefficients`.

    `features` is (labels, features), `targets` and `weights` (labels,); `lowest` bounds each
    coefficient from below (None: not at all).
    """
    from scipy.optimize import minimize

    share = weights / weights.sum()

    def loss(coefficients: Array) -> tuple[float, Array]:
        odds = features @ coefficients
        value = float(share @ (np.logaddexp(0, odds) - targets * odds))
        slope = share * (np.exp(-np.logaddexp(0, -odds)) - targets)
        return value, features.T @ slope

    bounds = [(low, None) for low in lowest]
    found = minimize(
        loss,
        np.array(start),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-12, "gtol": 1e-8},
    )
    return np.asarray(found.x, dtype=np.float64)


def are_probabilities(scores: Array) -> bool:
    """Whether all scores lie in [0, 1]: such scores are read as probabilities."""
    return bool(((scores >= 0) & (scores <= 1)).all())


def center_and_scale(sample: Sample) -> tuple[float, float]:
    """Weighted mean and standard deviation of the scores; the latter is > 0."""
    center = float(np.average(sample.scores, weights=sample.weights))
    variance = float(np.average((sample.scores - center) ** 2, weights=sample.weights))
    return center, max(variance**0.5, float(np.finfo(np.float64).tiny))
