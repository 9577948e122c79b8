"""Standardising within a group, the arithmetic that several shapers share.

    A_i = (r_i − mean) / (std + ε),  std with ddof = 1

Missing rewards are left out of mean and std and stay missing. A group in which all rewards
are equal, or with one reward, has advantages 0: nothing can be learned from it.
"""

from __future__ import annotations

import numpy as np

from rewardsvc.shaping.view import Array

__all__ = ["EPSILON", "standardise"]

EPSILON = 1e-4
"""Added to the standard deviation, as in GDPO's code and TRL."""


def standardise(rewards: Array, epsilon: float = EPSILON) -> Array:
    """Advantages of one group, shape (responses,), NaN where the reward is."""
    present = np.isfinite(rewards)
    advantages = np.where(present, 0.0, np.nan)
    values = rewards[present]
    if len(values) > 1 and np.ptp(values) > 0:
        advantages[present] = (values - values.mean()) / (values.std(ddof=1) + epsilon)
    return advantages
