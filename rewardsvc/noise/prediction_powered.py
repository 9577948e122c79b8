"""The mean of gold labels, from few of them and many predictions.

PPI++ (Angelopoulos, Duchi and Zrnic, arXiv 2311.01453): with n labelled samples, N others and
predictions for all,

    mean = k mean(predictions of the N) + mean(label - k prediction), over the n labelled,
    k = Cov(label, prediction) / ((1 + n / N) Var(prediction)), cut to [0, 1],
    SE^2 = k^2 Var(predictions of the N) / N + Var(label - k prediction) / n.

Right on average however bad the predictions are; they only make it sharper. Constant
predictions give k = 0: the plain mean of the labels.

DSL (design-based supervised learning, Egami et al. 2023): with known sampling probabilities pi
of the labels, mean of prediction + R / pi (label - prediction).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardsvc.noise.rates import INTERVAL

__all__ = ["GoldMean", "design_based_mean", "prediction_powered_mean"]


class GoldMean(NamedTuple):
    """A mean with its interval; `weight` is how far predictions were used (PPI++'s k)."""

    mean: float
    lower: float
    upper: float
    standard_error: float
    weight: float


def prediction_powered_mean(
    labels: NDArray[np.floating],
    predictions: NDArray[np.floating],
    other_predictions: NDArray[np.floating],
    *,
    weight: float | None = None,
    level: float = INTERVAL,
) -> GoldMean:
    """PPI++; `labels` and `predictions` (n,) of the labelled, `other_predictions` (N,).

    `weight` fixes k in [0, 1]; None chooses it.

    Raises:
        ValueError: fewer than two labels, no other predictions, or a number that is not finite.
    """
    y, f, other = (
        np.asarray(each, dtype=np.float64) for each in (labels, predictions, other_predictions)
    )
    n, others = len(y), len(other)
    if n < 2 or y.shape != f.shape or y.ndim != 1 or other.ndim != 1 or not others:
        raise ValueError(
            "labels and predictions must have one shape (n,), n >= 2, and other_predictions "
            f"(N,), N >= 1, not {y.shape}, {f.shape} and {other.shape}"
        )
    if not all(np.isfinite(each).all() for each in (y, f, other)):
        raise ValueError("labels and predictions must be finite")
    if weight is None:
        spread = float(np.var(np.concatenate([f, other]), ddof=1))
        covariance = float(np.cov(y, f, ddof=1)[0, 1])
        weight = 0.0 if spread <= 0 else covariance / ((1 + n / others) * spread)
        weight = min(1.0, max(0.0, weight))
    elif not 0 <= weight <= 1:
        raise ValueError(f"weight is {weight}; must be in [0, 1]")
    residual = y - weight * f
    mean = weight * float(other.mean()) + float(residual.mean())
    variance = float(residual.var(ddof=1)) / n
    if others > 1:
        variance += weight**2 * float(other.var(ddof=1)) / others
    return _with_interval(mean, variance, weight, level)


def design_based_mean(
    predictions: NDArray[np.floating],
    labels: NDArray[np.floating],
    inclusion_probabilities: NDArray[np.floating],
    *,
    level: float = INTERVAL,
) -> GoldMean:
    """DSL's mean; all arrays (samples,), labels NaN where there is none.

    Raises:
        ValueError: a sampling probability that is not in (0, 1], no label, or shapes that
            differ.
    """
    f, y, chosen = (
        np.asarray(each, dtype=np.float64)
        for each in (predictions, labels, inclusion_probabilities)
    )
    if f.ndim != 1 or f.shape != y.shape or f.shape != chosen.shape or len(f) < 2:
        raise ValueError("all arrays must have one shape (samples,), at least two samples")
    if not ((chosen > 0) & (chosen <= 1)).all():
        raise ValueError("inclusion_probabilities must be in (0, 1] and known")
    if not np.isfinite(f).all():
        raise ValueError("predictions must be finite")
    known = ~np.isnan(y)
    if not known.any():
        raise ValueError("no sample has a label")
    terms = f + np.where(known, (np.where(known, y, 0.0) - f) / chosen, 0.0)
    return _with_interval(float(terms.mean()), float(terms.var(ddof=1)) / len(terms), 1.0, level)


def _with_interval(mean: float, variance: float, weight: float, level: float) -> GoldMean:
    from scipy.special import ndtri

    error = math.sqrt(variance)
    reach = float(ndtri((1 + level) / 2)) * error
    return GoldMean(mean, mean - reach, mean + reach, error, weight)
