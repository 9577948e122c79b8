"""A group that failed altogether still teaches: NGRPO's virtual best response.

    mean, std over the group's rewards and one more of r_max;  A_i = (r_i − mean) / (std + ε)

so that a group of equal failures has negative advantages instead of none, and a group of equal
successes none. Nan et al., "NGRPO: Negative-enhanced Group Relative Policy Optimization"
(arXiv 2509.18851), from its abstract; ddof = 0 is our choice: with ddof = 1 a group of N equal
failures would have A = −1 / √(N + 1), with ddof = 0 −1 / √N, both up to ε.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.group_advantage import EPSILON
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["VirtualMaximum", "advantages_with_virtual"]


def advantages_with_virtual(rewards: Array, maximum: float) -> Array:
    """Advantages of one group, NaN where there is no reward."""
    present = np.isfinite(rewards)
    values = np.append(rewards[present], maximum)
    spread = values.std()
    advantages = np.where(present, 0.0, np.nan)
    if spread > 0:
        advantages[present] = (rewards[present] - values.mean()) / (spread + EPSILON)
    return advantages


class VirtualMaximum(Shaper):
    """Replaces the reward by the advantage against a group with one perfect response more."""

    kind: Literal["virtual_maximum"] = "virtual_maximum"
    maximum: float = Field(1.0, allow_inf_nan=False, description="r_max.")
    group_wise = True
    normalises = True

    def shape(self, group: GroupView) -> Shaped:
        """The advantages."""
        return Shaped(advantages_with_virtual(group.rewards, self.maximum))
