"""A process reward that counts only as far as it can be trusted: Trust-GRPO.

With μ_c and μ_w the mean process scores of right and wrong responses of the group,

    d = start · exp(−step / decay)      · exp(μ_c − μ_w) if μ_c < μ_w
    R = outcome + d · process

and d = 0 where the group's outcomes are all at least 0.9 or all at most 0.1. SophiaVL-R1
(kxfan2002/SophiaVL-R1). Their code sets the process score of wrong responses to 0 first, so
that μ_w is 0 and the discount can never come into force; here every response keeps its score,
which is what the discount needs (derived from their code).
"""

from __future__ import annotations

from math import exp
from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["TrustWeightedProcess", "trust"]


def trust(outcome: Array, process: Array, start: float) -> float:
    """The weight d of the process scores of one group; NaN places are left out."""
    present = np.isfinite(outcome) & np.isfinite(process)
    outcome, process = outcome[present], process[present]
    if len(outcome) == 0 or np.all(outcome >= 0.9) or np.all(outcome <= 0.1):
        return 0.0
    right = outcome >= 0.5
    if not right.any() or right.all():
        return start
    gap = float(process[right].mean() - process[~right].mean())
    return start * exp(min(gap, 0.0))


class TrustWeightedProcess(Shaper):
    """Replaces the reward by outcome + d · process."""

    kind: Literal["trust_weighted_process"] = "trust_weighted_process"
    process: str
    """Component with the process score, in [0, 1]."""
    outcome: str
    """Component with the outcome; at least 0.5 counts as right."""
    start: float = Field(0.3, ge=0, allow_inf_nan=False, description="d at the first step.")
    decay_steps: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Decay of d over training steps; needs the value `training_step`.",
    )
    group_wise = True

    @property
    def components(self) -> tuple[str, ...]:
        """The two components."""
        return self.process, self.outcome

    def shape(self, group: GroupView) -> Shaped:
        """outcome + d · process."""
        process, outcome = group.component(self.process), group.component(self.outcome)
        process = np.where(group.scored, process, np.nan)
        outcome = np.where(group.scored, outcome, np.nan)
        start = np.full(len(group), self.start)
        reasons: dict[int, str] = {}
        if self.decay_steps is not None:
            step = group.value("training_step")
            start = self.start * np.exp(-step / self.decay_steps)
            reasons = {
                int(k): "the value training_step is missing"
                for k in np.flatnonzero(group.scored & np.isnan(step))
            }
        weight = trust(outcome, process, 1.0) * start
        return Shaped(
            outcome + weight * process,
            {"process": process, "outcome": outcome, "trust": weight},
            reasons,
        )
