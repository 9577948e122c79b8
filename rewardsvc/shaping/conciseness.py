"""A bonus for being right in few words, harder questions being allowed more: CRF.

    R = R_o [1 + α c (s + d)]    only where the response is right

c in [0, 1] is how concise the response is, s an annealed base weight, d the difficulty of the
question. Source: CRF, from secondary notes, whose c is a model's judgement in [0.1, 1].
Derived, where no component judges conciseness: c falls linearly from 1 at the group's
shortest right response to `floor` at its longest, and d is the group's share of wrong
responses.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.lengths import LengthUnit, lengths
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["Conciseness", "relative_conciseness"]


def relative_conciseness(length: Array, right: Array, floor: float) -> Array:
    """1 for the shortest right response of the group down to `floor` for the longest."""
    among = right & np.isfinite(length)
    if not among.any():
        return np.full(len(length), np.nan)
    shortest, longest = length[among].min(), length[among].max()
    if shortest == longest:
        return np.where(np.isfinite(length), 1.0, np.nan)
    share = np.clip((length - shortest) / (longest - shortest), 0.0, 1.0)
    concise: Array = 1.0 - (1.0 - floor) * share
    return concise


class Conciseness(Shaper):
    """Multiplies the reward of right responses by 1 + α c (s + d)."""

    kind: Literal["conciseness"] = "conciseness"
    weight: float = Field(0.2, ge=0, allow_inf_nan=False, description="α.")
    base: float = Field(1.0, ge=0, allow_inf_nan=False, description="s.")
    floor: float = Field(0.1, ge=0, le=1, description="c of the longest right response.")
    component: str | None = Field(
        None, description="Component that judges conciseness in [0, 1]; by length when absent."
    )
    unit: LengthUnit = "characters"

    @property
    def is_group_wise(self) -> bool:
        """Always: difficulty is the group's."""
        return True

    @property
    def components(self) -> tuple[str, ...]:
        """The judging component, if any."""
        return () if self.component is None else (self.component,)

    def shape(self, group: GroupView) -> Shaped:
        """R_o [1 + α c (s + d)] where right, R_o elsewhere."""
        correct = group.of(group.correct)
        right = group.scored & (correct == 1)
        judged = group.scored & np.isfinite(correct)
        difficulty = float(1 - correct[judged].mean()) if judged.any() else 0.0
        if self.component is None:
            concise = relative_conciseness(lengths(group, self.unit), right, self.floor)
        else:
            concise = group.component(self.component)
        rewards, reasons = group.rewards.copy(), {}
        for k in np.flatnonzero(group.scored & np.isnan(correct)):
            reasons[int(k)] = "there is no verdict, so it is not known whether it earns the bonus"
        for k in np.flatnonzero(right & np.isnan(concise)):
            reasons[int(k)] = "its length or conciseness is not known"
        factor = np.where(right, 1 + self.weight * concise * (self.base + difficulty), 1.0)
        rewards *= factor
        return Shaped(
            rewards,
            {"conciseness": concise, "difficulty": np.full(len(group), difficulty)},
            reasons,
        )
