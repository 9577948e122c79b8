"""Judges as gates: a response earns its reward only if it meets every constraint.

CGPO (Xu et al., "The Perfect Blend", arXiv 2409.20370, from secondary notes): the reward is
calibrated against a baseline response, is 0 unless all judges pass, and shrinks with the
divergence from the reference policy,

    R = max(1 − log(π/π_ref) / KL_max, 0) · σ(r − r_baseline)

Which parts apply is by what is configured: without `baseline` the reward itself is gated,
without `divergence_limit` nothing shrinks. A constraint without a score is not a pass: the
response has no reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.log_sigmoid import log_sigmoid
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import GroupView, Shaped

__all__ = ["Constraints"]


class Constraints(Shaper):
    """Gates the reward by components' thresholds."""

    kind: Literal["constraints"] = "constraints"
    at_least: Mapping[str, float] = Field(
        min_length=1, description="Smallest passing part by component."
    )
    failed_reward: float = Field(
        0.0, allow_inf_nan=False, description="Reward of a response that fails a constraint."
    )
    baseline: str | None = Field(
        None, description="Value with the baseline response's reward; the reward becomes σ(r − it)."
    )
    divergence_limit: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="KL_max; needs the value `log_ratio`."
    )

    @property
    def components(self) -> tuple[str, ...]:
        """The gated components."""
        return tuple(self.at_least)

    def shape(self, group: GroupView) -> Shaped:
        """The gated reward."""
        rewards = group.rewards.copy()
        values, reasons = {}, {}

        def needed(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            given = group.value(name)
            for k in np.flatnonzero(group.scored & np.isnan(given)):
                reasons[int(k)] = f"the value {name} is missing"
            return given

        if self.baseline is not None:
            rewards = np.exp(log_sigmoid(rewards - needed(self.baseline)))
        if self.divergence_limit is not None:
            factor = np.maximum(1 - needed("log_ratio") / self.divergence_limit, 0.0)
            values["divergence_factor"] = factor
            rewards = rewards * factor
        passed = np.ones(len(group), dtype=bool)
        for name, limit in self.at_least.items():
            part = group.component(name)
            for k in np.flatnonzero(group.scored & np.isnan(part)):
                reasons[int(k)] = f"constraint {name} has no score"
            with np.errstate(invalid="ignore"):
                passed &= part >= limit
        rewards = np.where(passed, rewards, self.failed_reward)
        values["constraints_passed"] = passed.astype(float)
        rewards[list(reasons)] = np.nan
        return Shaped(np.where(group.scored, rewards, np.nan), values, reasons)
