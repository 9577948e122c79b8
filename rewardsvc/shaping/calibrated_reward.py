"""Rewards a stated confidence that fits the reward: PPO-C.

Leng et al., "Taming Overconfidence in LLMs: Reward Calibration in RLHF" (arXiv 2410.09724),
as in their published code: with reward r, moving mean m of the rewards and stated
confidence s in [0, 1],

    difference   r + w (r − m) (s − ½)
    threshold    r + sgn(r ≥ m) w |r| (s − ½)

Caveat (derived): both are linear in s, so the best s is 0 or 1 whatever the truth; where a
verdict exists, `proper_score` is the honest choice.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.moving_mean import MovingMean
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["CalibratedReward", "calibrated_reward"]

Form = Literal["difference", "threshold"]


def calibrated_reward(
    rewards: Array, stated: Array, moving_mean: float, weight: float, form: Form
) -> Array:
    """PPO-C's reward; arrays of shape (responses,)."""
    if form == "difference":
        return rewards + weight * (rewards - moving_mean) * (stated - 0.5)
    sign = np.where(rewards >= moving_mean, 1.0, -1.0)
    return rewards + sign * weight * np.abs(rewards) * (stated - 0.5)


class CalibratedReward(Shaper):
    """Adds a term for the stated confidence; needs `stated_confidence` in the reward."""

    kind: Literal["calibrated_reward"] = "calibrated_reward"
    form: Form = "difference"
    weight: float = Field(0.5, ge=0, allow_inf_nan=False, description="w.")
    missing: float | None = Field(
        0.5, ge=0, le=1, description="Taken for a response that states none; null abstains."
    )
    moving_mean: MovingMean = MovingMean()

    def shape(self, group: GroupView) -> Shaped:
        """r + w (r − m) (s − ½), or the threshold form."""
        stated = group.of(group.stated_confidence)
        reasons = {}
        if self.missing is None:
            absent = np.flatnonzero(group.scored & np.isnan(stated))
            reasons = {int(k): "the response states no confidence" for k in absent}
        else:
            stated = np.where(np.isnan(stated), self.missing, stated)
        mean = self.moving_mean.observe(group.batch_id, group.rewards)
        return Shaped(
            calibrated_reward(group.rewards, stated, mean, self.weight, self.form),
            {"stated_confidence": stated, "moving_mean": np.full(len(group), mean)},
            reasons,
        )
