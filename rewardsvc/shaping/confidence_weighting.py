"""A reward that counts as far as it is trusted.

With the calibrated probability p that the response is right and the reward r:

    shrink       prior + w (r − prior),  w = |2p − 1|     an even chance says nothing
    expected     p                                        the reward is the probability
    likelihood   log p  (floored)                         log-likelihood of being right

`shrink` is derived: for r in {0, 1}, w is the advantage of the verdict over a coin. `likelihood`
follows the log-probability rewards that 2602.03979 recommends over probabilities.
"""

from __future__ import annotations

from math import log
from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import GroupView, Shaped

__all__ = ["ConfidenceWeighting"]


class ConfidenceWeighting(Shaper):
    """Weights the reward by its confidence."""

    kind: Literal["confidence_weighting"] = "confidence_weighting"
    form: Literal["shrink", "expected", "likelihood"] = "shrink"
    prior: float = Field(
        0.5, allow_inf_nan=False, description="The reward towards which shrink draws."
    )
    floor: float = Field(
        1e-4, gt=0, lt=1, description="Smallest probability that likelihood takes a logarithm of."
    )

    def shape(self, group: GroupView) -> Shaped:
        """The weighted reward; a response without a confidence loses it."""
        p = group.of(group.confidence)
        reasons = {
            int(k): "there is no confidence to weight by"
            for k in np.flatnonzero(group.scored & np.isnan(p))
        }
        weight = np.abs(2 * p - 1)
        if self.form == "shrink":
            rewards = self.prior + weight * (group.rewards - self.prior)
        else:
            rewards = p if self.form == "expected" else np.log(np.maximum(p, self.floor))
            rewards = np.where(group.scored, rewards, np.nan)
        return Shaped(rewards, {"confidence": p, "weight": weight}, reasons)

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """By the form."""
        if self.form == "expected":
            return 0.0, 1.0
        if self.form == "likelihood":
            return log(self.floor), 0.0
        low = None if minimum is None else min(minimum, self.prior)
        return low, None if maximum is None else max(maximum, self.prior)
