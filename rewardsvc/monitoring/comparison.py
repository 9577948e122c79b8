"""How far apart two versions of a reward are, whatever their scale: a STARC distance.

Skalse et al., "STARC: A General Framework For Quantifying Differences Between Reward
Functions" (arXiv 2309.15257): canonicalise, divide by a norm, take a metric. Derived for
prompts that are answered in one step: what a reward adds to all responses of a prompt does not
change which policy is best, so every prompt's rewards are centred; the norm is L2; and the
distance between the two unit vectors is √(2 (1 − ρ)), with ρ their cosine: 0 for rewards that
order and space responses alike, √2 for unrelated ones, 2 for opposite ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Comparison", "starc_distance"]


class Comparison(NamedTuple):
    """Two rewards compared."""

    distance: float
    """In [0, 2]."""
    trivial: bool
    """Whether a reward is constant within every prompt, so that it prefers nothing."""
    responses: int
    """Responses with both rewards, in prompts with at least two of them."""


def starc_distance(
    before: NDArray[np.float64], after: NDArray[np.float64], prompts: Sequence[str]
) -> Comparison:
    """Distance of two rewards of the same responses, each of shape (responses,).

    NaN, in either, leaves a response out. A trivial reward is the zero vector, at distance 1
    from every other and 0 from another trivial one.

    Raises:
        ValueError: the three are not of one length.
    """
    if not len(before) == len(after) == len(prompts):
        raise ValueError(
            f"{len(before)} rewards before, {len(after)} after and {len(prompts)} prompts; "
            "must be as many"
        )
    both = np.isfinite(before) & np.isfinite(after)
    _, groups = np.unique(np.asarray(prompts, dtype=object)[both].astype(str), return_inverse=True)
    sizes = np.bincount(groups) if len(groups) else np.empty(0)
    vectors = []
    for rewards in (before[both], after[both]):
        means = np.bincount(groups, rewards) / sizes if len(groups) else np.empty(0)
        vectors.append(rewards - means[groups])
    norms = [float(np.linalg.norm(vector)) for vector in vectors]
    scales = [float(np.abs(rewards[both]).max(initial=0.0)) for rewards in (before, after)]
    flat = [norm <= 1e-12 * max(scale, 1.0) for norm, scale in zip(norms, scales, strict=True)]
    counted = int((sizes[groups] > 1).sum()) if len(groups) else 0
    if any(flat):
        return Comparison(0.0 if all(flat) else 1.0, True, counted)
    apart = vectors[0] / norms[0] - vectors[1] / norms[1]
    return Comparison(float(np.linalg.norm(apart)), False, counted)
