"""A penalty for repeating oneself.

The repeated share is 1 − (different n-grams) / (n-grams) of the response's words, in [0, 1); the
reward loses weight · max(0, share − free) / (1 − free). Derived from the distinct-n measure (Li
et al., arXiv 1510.03055). Words are runs of non-space characters; a text without any spaces is
taken by characters.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import GroupView, Shaped

__all__ = ["RepetitionPenalty", "repeated_share"]


def repeated_share(text: str, n: int) -> float:
    """Share of n-grams that occurred before, in [0, 1); 0 for texts of fewer than n + 1 words."""
    words: list[str] | str = text.split()
    if len(words) == 1 and len(text) > n:
        words = text.strip()
    count = len(words) - n + 1
    if count <= 1:
        return 0.0
    different = len({tuple(words[start : start + n]) for start in range(count)})
    return 1.0 - different / count


class RepetitionPenalty(Shaper):
    """Takes up to `weight` off the reward of repetitive responses."""

    kind: Literal["repetition_penalty"] = "repetition_penalty"
    n: int = Field(4, ge=1, le=64, description="Words in an n-gram.")
    free: float = Field(0.1, ge=0, lt=1, description="Repeated share without penalty.")
    weight: float = Field(1.0, ge=0, allow_inf_nan=False, description="The whole penalty.")

    def shape(self, group: GroupView) -> Shaped:
        """The reward less the penalty; responses given as token ids lose their reward."""
        share = np.array(
            [np.nan if text is None else repeated_share(text, self.n) for text in group.texts]
        )
        penalty = self.weight * np.maximum(0.0, share - self.free) / (1 - self.free)
        reasons = {
            int(k): "its text is not known, only token ids"
            for k in np.flatnonzero(group.scored & np.isnan(share))
        }
        values = {"repeated_share": share, "penalty": penalty}
        return Shaped(group.rewards - penalty, values, reasons)

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """Down by the weight."""
        return None if minimum is None else minimum - self.weight, maximum
