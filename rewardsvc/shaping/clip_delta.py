"""Step rewards that cannot be gamed by more steps: clip, then delta.

    clip    r_k ← min(r_k − η, 0)
    delta   r_k ← r_k − r_{k+1} for k < K − 1,  r_{K−1} stays,  r_K ← 0

and the reward is α Σ_k r_k + outcome. Gao et al., "On Designing Effective RL Reward at
Training Time for LLM Reasoning" (arXiv 2410.15115). Their η and α were not at hand: both are
to be set. The sum over steps telescopes to the first step's clipped score, so it is bounded
however many steps there are. With one step, delta leaves nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.aggregate.step_rewards import clip, delta
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import GroupView, Shaped

__all__ = ["ClipDelta"]


class ClipDelta(Shaper):
    """Adds α times the clipped and differenced step scores to the reward."""

    kind: Literal["clip_delta"] = "clip_delta"
    threshold: float = Field(0.0, allow_inf_nan=False, description="η; choose most steps to be 0.")
    weight: float = Field(1.0, allow_inf_nan=False, description="α.")
    clip: bool = True
    delta: bool = True

    def shape(self, group: GroupView) -> Shaped:
        """Reward plus α Σ step rewards; the step rewards are given back beside it."""
        rewards = group.rewards.copy()
        sums = np.zeros(len(group))
        steps, reasons = [], {}
        for index in range(len(group)):
            scores = group.steps[index] if index < len(group.steps) else np.empty(0)
            if not (len(scores) and np.isfinite(scores).all()):
                reasons[index] = "its steps have no scores to clip"
                rewards[index] = np.nan
                steps.append(np.empty(0))
                continue
            rewarded = scores.tolist()
            if self.clip:
                rewarded = clip(rewarded, self.threshold)
            if self.delta:
                rewarded = delta(rewarded)
            sums[index] = sum(rewarded)
            steps.append(self.weight * np.array(rewarded))
        return Shaped(rewards + self.weight * sums, {"step_sum": sums}, reasons, steps=tuple(steps))
