"""Intervals for shares and for whatever is computed on clustered labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

__all__ = [
    "INTERVAL",
    "cluster_bootstrap",
    "cluster_counts",
    "design_effect",
    "effective_size",
    "jeffreys",
]

INTERVAL = 0.90


def jeffreys(total: Array, count: Array, level: float = INTERVAL) -> tuple[Array, Array]:
    """The Jeffreys interval of shares total / count, both (shares,), 0 <= total <= count.

    Quantiles of Beta(total + 1/2, count - total + 1/2); 0 is the lower end where total is 0
    and 1 the upper end where total is count (Brown, Cai and DasGupta 2001).
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    a, b = total + 0.5, count - total + 0.5
    lower = np.where(total <= 0, 0.0, betaincinv(a, b, tail))
    upper = np.where(total >= count, 1.0, betaincinv(a, b, 1 - tail))
    return np.asarray(lower), np.asarray(upper)


def effective_size(weights: Array) -> float:
    """Kish's effective number of samples, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def design_effect(residuals: Array, weights: Array, clusters: NDArray[np.intp]) -> float:
    """How many times clustering multiplies the variance of the weighted mean residual; >= 1."""
    products = weights * residuals
    alone = float((products**2).sum())
    if alone <= 0:
        return 1.0
    together = float((np.bincount(clusters, weights=products) ** 2).sum())
    return max(1.0, together / alone)


def cluster_counts(clusters: NDArray[np.intp], rounds: int, seed: int) -> NDArray[np.intp]:
    """How often each label stands in each of some bootstrap rounds, shape (rounds, labels).

    Whole clusters are drawn with replacement, as many as there are.
    """
    _, codes = np.unique(clusters, return_inverse=True)
    count = int(codes.max(initial=-1)) + 1
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=rounds)
    return np.asarray(draws[:, codes], dtype=np.intp)


def cluster_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float | None],
    clusters: NDArray[np.intp],
    *,
    level: float = INTERVAL,
    rounds: int = 500,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The percentile interval of a statistic under resampling of whole clusters.

    `statistic` gets the rows of one resample, with repetitions, and returns None where it is
    undefined; those rounds do not count. None when it is undefined in most rounds or there is
    only one cluster.
    """
    if len(np.unique(clusters)) < 2:
        return None
    rows = np.arange(len(clusters))
    values = [
        value
        for counts in cluster_counts(clusters, rounds, seed)
        if (value := statistic(np.repeat(rows, counts))) is not None
    ]
    if len(values) < rounds / 2:
        return None
    tail = (1 - level) / 2
    lower, upper = np.quantile(np.array(values), [tail, 1 - tail]).tolist()
    return lower, upper
