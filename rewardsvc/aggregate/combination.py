"""Combines what several scorers say of a sample into one reward.

A combination takes `values`, shape (samples, components), and `weights`, shape
(components,), and returns rewards, shape (samples,). A NaN (a component without a score)
makes the sample's reward NaN: a missing part is never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product as cartesian_product
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Range: TypeAlias = tuple[float | None, float | None]


def weighted_sum(values: Array, weights: Array) -> Array:
    """Σ_k w_k v_k."""
    return np.asarray(values @ weights, dtype=np.float64)


def weighted_mean(values: Array, weights: Array) -> Array:
    """Σ_k w_k v_k / Σ_k w_k; the weights must not sum to zero."""
    return np.asarray(values @ weights / weights.sum(), dtype=np.float64)


def product(values: Array, weights: Array) -> Array:
    """Π_k w_k v_k: a component that is 0 or 1 gates the others."""
    return np.asarray(np.prod(values * weights, axis=1), dtype=np.float64)


def minimum(values: Array, weights: Array) -> Array:
    """min_k w_k v_k: as good as the worst part."""
    return np.asarray(np.min(values * weights, axis=1), dtype=np.float64)


COMBINATIONS: Mapping[str, Callable[[Array, Array], Array]] = {
    "minimum": minimum,
    "product": product,
    "weighted_mean": weighted_mean,
    "weighted_sum": weighted_sum,
}


def range_of(name: str, ranges: Sequence[Range], weights: Array) -> Range:
    """Smallest and largest reward of a combination; None where unbounded.

    Every combination here is monotone in each component while the others are held, so its
    extremes lie at the corners of the box of the components' ranges.
    """
    if any(low is None or high is None for low, high in ranges):
        return None, None
    corners = np.array(list(cartesian_product(*ranges)), dtype=np.float64)
    rewards = COMBINATIONS[name](corners, weights)
    low, high = float(rewards.min()), float(rewards.max())
    return (low if low > -inf else None), (high if high < inf else None)
