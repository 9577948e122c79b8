"""Process and outcome rewards in one that orders right above wrong: PPR with ReNorm.

    r̂ = (r_p − ½) + (r_o − ½) = r_p + r_o − 1

With r_p in [0, 1] and r_o in {0, 1} a wrong response has at most 0 and a right one at least 0.
Source: "Principle Process Reward" (PPR, ReNorm), from secondary notes; the inequality is
derived. Applied to the response's process score; with `steps`, to every step as well.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import GroupView, Shaped

__all__ = ["ProcessOutcome"]


class ProcessOutcome(Shaper):
    """Replaces the reward by process + outcome − 1; both components must be in [0, 1]."""

    kind: Literal["process_outcome"] = "process_outcome"
    process: str
    """Component with the process score."""
    outcome: str
    """Component with the outcome."""

    @property
    def components(self) -> tuple[str, ...]:
        """The two components."""
        return self.process, self.outcome

    def shape(self, group: GroupView) -> Shaped:
        """r_p + r_o − 1 for the response and, where there are step scores, for each step."""
        process, outcome = group.component(self.process), group.component(self.outcome)
        rewards = np.where(group.scored, process + outcome - 1, np.nan)
        reasons = {}
        for name, part in ((self.process, process), (self.outcome, outcome)):
            for k in np.flatnonzero(group.scored & ~((part >= 0) & (part <= 1))):
                rewards[k] = np.nan
                reasons[int(k)] = f"{name} is {part[k]:g}; process_outcome takes [0, 1]"
        steps = tuple(
            scores + outcome[k] - 1 for k, scores in enumerate(group.steps) if k < len(group)
        )
        return Shaped(rewards, {"process": process, "outcome": outcome}, reasons, steps=steps)

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """[−1, 1]."""
        return -1.0, 1.0
