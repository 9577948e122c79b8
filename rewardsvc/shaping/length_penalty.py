"""A penalty for length beyond a limit.

    r − slope · max(0, length − free) / (hard − free)     down to −slope from `hard` on

Soft overlong punishment as in DAPO (Yu et al., arXiv 2503.14476, eq. 13, where slope = 1).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from rewardsvc.shaping.lengths import LengthUnit, lengths
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["LengthPenalty", "length_penalty"]


def length_penalty(length: Array, free: float, hard: float, slope: float) -> Array:
    """What is taken off, shape (responses,), in [0, slope]."""
    return slope * np.clip((length - free) / (hard - free), 0.0, 1.0)


class LengthPenalty(Shaper):
    """Takes up to `slope` off the reward of long responses."""

    kind: Literal["length_penalty"] = "length_penalty"
    free: int = Field(ge=0, description="Length without penalty.")
    hard: int = Field(ge=1, description="Length from which the whole penalty is due.")
    slope: float = Field(1.0, ge=0, allow_inf_nan=False, description="The whole penalty.")
    unit: LengthUnit = "characters"

    @model_validator(mode="after")
    def _ordered(self) -> LengthPenalty:
        if self.hard <= self.free:
            raise ValueError(f"hard is {self.hard}; must be above free, {self.free}")
        return self

    def shape(self, group: GroupView) -> Shaped:
        """The reward less the penalty."""
        length = lengths(group, self.unit)
        penalty = length_penalty(length, self.free, self.hard, self.slope)
        reasons = {
            int(k): f"its length in {self.unit} is not known"
            for k in np.flatnonzero(group.scored & np.isnan(length))
        }
        return Shaped(group.rewards - penalty, {"length": length, "penalty": penalty}, reasons)

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """Down by the slope."""
        return None if minimum is None else minimum - self.slope, maximum
