"""What best-of-n selection by one score does to another, from one set of samples a prompt.

Of N sampled responses sorted ascending by the proxy, the i-th is the best of a random n of them
with probability C(i−1, n−1) / C(N, n). The expected gold score of best-of-n is therefore

    Ĝ_n = Σ_{i=n}^{N} C(i−1, n−1) / C(N, n) · gold_(i)

the unbiased estimator of Coste et al. (arXiv 2310.02743, appendix); computed with log-gamma, as
the binomials overflow. Equal proxy scores share their gold scores' mean, which is the
expectation over ties broken at random.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_of_n", "best_of_n_kl"]

Array = NDArray[np.float64]


def best_of_n(
    proxy: NDArray[np.floating], gold: NDArray[np.floating], sizes: Sequence[int]
) -> Array:
    """Expected gold score of the best of n by proxy, for each n of `sizes`: (prompts, sizes).

    `proxy` and `gold` have shape (prompts, samples), both finite; each n is in 1..samples.

    Raises:
        ValueError: unequal shapes, a score that is not finite, or an n out of range.
    """
    by = np.asarray(proxy, dtype=np.float64)
    of = np.asarray(gold, dtype=np.float64)
    if by.ndim != 2 or by.shape != of.shape or by.size == 0:
        raise ValueError(
            f"proxy and gold must have one shape (prompts, samples), not {by.shape} and {of.shape}"
        )
    if not (np.isfinite(by).all() and np.isfinite(of).all()):
        raise ValueError("proxy and gold scores must be finite")
    samples = by.shape[1]
    for n in sizes:
        if not 1 <= n <= samples:
            raise ValueError(f"n must be in 1..{samples}, the samples a prompt, not {n}")
    weights = np.stack([_weights(samples, n) for n in sizes], axis=1)
    ordered = np.stack([_ascending(b, o) for b, o in zip(by, of, strict=True)])
    return np.asarray(ordered @ weights)


def best_of_n_kl(n: int | NDArray[np.integer]) -> Array:
    """log n − (n − 1)/n nats: KL divergence of best-of-n from the policy it samples.

    Exact for continuous scores (the density ratio of the maximum is n F^(n−1)); with ties an
    upper bound.
    """
    size = np.asarray(n, dtype=np.float64)
    return np.asarray(np.log(size) - (size - 1) / size)


def _weights(samples: int, n: int) -> Array:
    """C(i−1, n−1) / C(samples, n) for i = 1..samples; they sum to 1."""
    from scipy.special import gammaln

    rank = np.arange(1, samples + 1, dtype=np.float64)
    weights = np.zeros(samples)
    i = rank[n - 1 :]
    ways = gammaln(i) - gammaln(i - n + 1) - gammaln(n)
    of_all = gammaln(samples + 1) - gammaln(n + 1) - gammaln(samples - n + 1)
    weights[n - 1 :] = np.exp(ways - of_all)
    return np.asarray(weights / weights.sum())


def _ascending(proxy: Array, gold: Array) -> Array:
    """Gold in ascending order of proxy, equal proxies with their mean."""
    _, group, count = np.unique(proxy, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    if len(count) == len(proxy):
        return gold[order]
    means = np.bincount(group, weights=gold) / count
    return np.asarray(means[group[order]])
