"""Rewards normalised one by one before they are added: GDPO.

    A = Σ_n w_n (r_n − mean_n) / (std_n + 10⁻⁴)   within the group, std with ddof = 1

then whitened over the batch (here: over the group, the widest that one request shows):
(A − mean) / (std + 10⁻⁴). Liu et al., "GDPO" (NVlabs/GDPO; TRL calls it normalize_then_sum).
Where a component is missing it is left out, as TRL does, and not read as 0 before
normalising, as the published code does. A component that is equal over the group adds 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.group_advantage import EPSILON, standardise
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["DecoupledNormalisation", "decoupled_advantages"]


def decoupled_advantages(
    rewards: Mapping[str, Array], weights: Mapping[str, float], *, whiten: bool
) -> Array:
    """GDPO's advantages of one group.

    `rewards` holds one array (responses,) a component, NaN where it is missing; a response
    without any is NaN. A weight is 1 where not named.
    """
    columns = np.array([standardise(column) for column in rewards.values()])
    factors = np.array([weights.get(name, 1.0) for name in rewards])
    total: Array = np.where(np.isnan(columns), 0.0, columns).T @ factors
    total[np.isnan(columns).all(axis=0)] = np.nan
    if not whiten:
        return total
    present = np.isfinite(total)
    values = total[present]
    if len(values) > 1:
        total[present] = (values - values.mean()) / (values.std(ddof=1) + EPSILON)
    return total


class DecoupledNormalisation(Shaper):
    """Replaces the reward by GDPO's advantage over the components."""

    kind: Literal["decoupled_normalisation"] = "decoupled_normalisation"
    weights: Mapping[str, float] = Field(
        default_factory=dict, description="Weight by component; 1 where not named."
    )
    whiten: bool = Field(True, description="Whether the sum is standardised over the group.")
    group_wise = True
    normalises = True

    @property
    def components(self) -> tuple[str, ...]:
        """The components with a weight of their own."""
        return tuple(self.weights)

    def shape(self, group: GroupView) -> Shaped:
        """The advantage of each response."""
        parts = {
            name: np.where(group.scored, part, np.nan) for name, part in group.components.items()
        }
        advantages = decoupled_advantages(parts, self.weights, whiten=self.whiten)
        return Shaped(advantages, {name: standardise(part) for name, part in parts.items()})
