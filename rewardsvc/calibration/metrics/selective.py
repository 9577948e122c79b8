"""Selective scoring: what error remains when the least confident answers are withheld.

Over `confidences` (any order-preserving number) and `errors` in [0, 1] (1 - label), both
(samples,). Risk at coverage k / n is the mean error of the k most confident samples; equal
confidences have no order, so each has its tie's mean error (the expectation over orders).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rewardsvc.calibration.metrics.checked import checked
from rewardsvc.calibration.sample import Array

__all__ = [
    "RiskPoint",
    "aurc",
    "excess_aurc",
    "risk_coverage_curve",
    "selective_threshold",
]

_GRID = 20


class RiskPoint(NamedTuple):
    """Answering where confidence >= `threshold` covers `coverage` at mean error `risk`."""

    threshold: float
    coverage: float
    risk: float


def aurc(confidences: Array, errors: Array) -> float:
    """Area under the risk-coverage curve: the mean over k of the risk at k / n; in [0, 1]."""
    ordered = _ordered(confidences, errors)[1]
    return float((np.cumsum(ordered) / np.arange(1, len(ordered) + 1)).mean())


def excess_aurc(confidences: Array, errors: Array) -> float:
    """AURC less that of the best order of the same errors; 0 is perfect."""
    return aurc(confidences, errors) - aurc(-np.asarray(errors, dtype=np.float64), errors)


def risk_coverage_curve(confidences: Array, errors: Array) -> tuple[RiskPoint, ...]:
    """One point a distinct confidence, from the most confident to all samples."""
    ordered_confidence, ordered = _ordered(confidences, errors)
    risk = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    last = np.flatnonzero(np.append(np.diff(ordered_confidence) != 0, True))
    return tuple(
        RiskPoint(float(ordered_confidence[k]), (k + 1) / len(ordered), float(risk[k]))
        for k in last.tolist()
    )


def selective_threshold(
    confidences: Array, errors: Array, largest_risk: float, miss: float = 0.1
) -> RiskPoint | None:
    """The lowest threshold whose risk is at most `largest_risk`, with probability 1 - miss.

    Of 20 coverages, evenly spaced, those pass whose risk is above `largest_risk` with p-value
    <= miss / 20; the p-value is the binomial tail's for 0/1 errors, Hoeffding-Bentkus (the
    smaller of Hoeffding's and e times the binomial tail's) otherwise (Learn then Test,
    Angelopoulos et al., arXiv 2110.01052, with Bonferroni's correction). Samples must be
    independent. None when no coverage passes: abstain always, or label more.

    Raises:
        ValueError: `largest_risk` or `miss` outside (0, 1).
    """
    if not 0 < largest_risk < 1 or not 0 < miss < 1:
        raise ValueError(f"largest_risk {largest_risk} and miss {miss} must lie between 0 and 1")
    curve = risk_coverage_curve(confidences, errors)
    values = np.asarray(errors, dtype=np.float64)
    binary = bool(((values == 0) | (values == 1)).all())
    coverages = np.array([point.coverage for point in curve])
    for target in np.linspace(1, 1 / _GRID, _GRID):
        place = int(np.searchsorted(coverages, target + 1e-9, side="right")) - 1
        if place < 0:
            return None
        point = curve[place]
        count = round(point.coverage * len(values))
        if _tail(point.risk, count, largest_risk, binary) <= miss / _GRID:
            return point
    return None


def _tail(risk: float, count: int, bound: float, binary: bool) -> float:
    """A p-value for the risk being above `bound`, having seen `risk` in `count` samples."""
    from scipy.stats import binom

    if risk >= bound:
        return 1.0
    tail = float(binom.cdf(np.ceil(risk * count - 1e-9), count, bound))
    if binary:
        return tail
    a = min(risk, bound)
    divergence = (1 - a) * np.log((1 - a) / (1 - bound)) + (a * np.log(a / bound) if a > 0 else 0)
    return min(float(np.exp(-count * divergence)), float(np.e) * tail)


def _ordered(confidences: Array, errors: Array) -> tuple[Array, Array]:
    """By falling confidence: the confidences, and errors averaged over ties."""
    c, e, _ = checked(confidences, errors, None, probabilities=False)
    values, place, count = np.unique(-c, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=e) / count
    return np.repeat(-values, count), np.repeat(mean, count)
