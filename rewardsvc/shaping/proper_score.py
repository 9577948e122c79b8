"""Correctness plus a bounded proper score of the stated confidence: RLCR and its kin.

With c = 1 where the response is right and q its stated confidence:

    brier       c − (q − c)²                                   in [−1, 1]
    spherical   c + (q or 1 − q) / √(q² + (1 − q)²) − 1        in [−1, 1]

`brier` is RLCR (Damani et al., arXiv 2507.16806). Derived: at q = p the expected reward is
p − p(1 − p) = p² for brier and p + √(p² + (1 − p)²) − 1 for spherical; both are proper in q and
grow with p (the second because |2p − 1| ≤ √(p² + (1 − p)²)), so honesty and accuracy are
rewarded together. This needs scores whose range is at most 1 wide: the logarithmic score,
which is unbounded, would pay a surely wrong answer for q = 0 more than an even chance of a right
one, and is not offered.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["ProperScore", "proper_score"]

Rule = Literal["brier", "spherical"]


def proper_score(correct: Array, stated: Array, rule: Rule) -> Array:
    """Reward of stated confidences, shape (responses,).

    Raises:
        ValueError: a stated confidence outside [0, 1], NaN included, or a correctness that
            is neither 0 nor 1.
    """
    if not np.all((stated >= 0) & (stated <= 1)):
        raise ValueError(f"stated confidences must lie in [0, 1]: {stated}")
    if not np.all((correct == 0) | (correct == 1)):
        raise ValueError(f"correctness must be 0 or 1: {correct}")
    if rule == "brier":
        return correct - (stated - correct) ** 2
    chosen = np.where(correct == 1, stated, 1 - stated)
    return correct + chosen / np.hypot(stated, 1 - stated) - 1


class ProperScore(Shaper):
    """Replaces the reward by correctness plus a proper score; needs a verdict."""

    kind: Literal["proper_score"] = "proper_score"
    rule: Rule = "brier"
    missing_reward: float | None = Field(
        0.0,
        allow_inf_nan=False,
        description="Reward of a response that states no confidence (RLCR's is 0); null abstains.",
    )

    def shape(self, group: GroupView) -> Shaped:
        """c + S(q, c); a response without a verdict loses its reward, with the reason."""
        correct, stated = group.of(group.correct), group.of(group.stated_confidence)
        rewards = np.full(len(group), np.nan)
        judged = group.scored & ~np.isnan(correct)
        given = judged & ~np.isnan(stated)
        rewards[given] = proper_score(correct[given], stated[given], self.rule)
        silent = judged & np.isnan(stated)
        reasons = {
            int(k): "there is no verdict to score the stated confidence by"
            for k in np.flatnonzero(group.scored & ~judged)
        }
        if self.missing_reward is None:
            for k in np.flatnonzero(silent):
                reasons[int(k)] = "the response states no confidence"
        else:
            rewards[silent] = self.missing_reward
        return Shaped(rewards, {"correct": correct, "stated_confidence": stated}, reasons)

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """[−1, 1], widened by the reward of the silent."""
        silent = self.missing_reward or 0.0
        return min(-1.0, silent), max(1.0, silent)
