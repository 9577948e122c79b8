"""Hints for choosing prompts and spending rollouts; the reward is left as it is.

From the group's k right of n judged responses, with a Beta(k + ½, n − k + ½) posterior
(Jeffreys) for the share p of right responses:

    outcome_variance     E[4 p (1 − p)]                  1 at an even chance, for sampling prompts
    mixed_probability    1 − E[p^m] − E[(1 − p)^m]       chance that m more responses are not all
                                                         alike, so that a group of m has a gradient
    expected_information E[H(p)-reduction] in bits       what one more verdict tells about p

The first is the outcome part of variance-aware sampling (VAS, arXiv 2509.21268), the second the
value that budget allocation by knapsack maximises (Knapsack RL, arXiv 2509.25849); both are
used in expectation over the posterior, which is derived, as is the third: the mutual
information between p and the next verdict, h(E p) − E h(p) with h the binary entropy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import GroupView, Shaped

__all__ = [
    "Exploration",
    "allocate",
    "expected_information",
    "mixed_probability",
    "outcome_variance",
]


def outcome_variance(right: int, judged: int) -> float:
    """E[4 p (1 − p)], in (0, 1]."""
    a, b = right + 0.5, judged - right + 0.5
    return 4 * a * b / ((a + b) * (a + b + 1))


def mixed_probability(right: int, judged: int, more: int) -> float:
    """Chance that `more` further responses are neither all right nor all wrong."""
    from scipy.special import betaln  # heavy, and needed by this kind of shaping only

    a, b = right + 0.5, judged - right + 0.5
    all_right = np.exp(betaln(a + more, b) - betaln(a, b))
    all_wrong = np.exp(betaln(a, b + more) - betaln(a, b))
    return float(max(0.0, 1 - all_right - all_wrong)) if more > 1 else 0.0


def expected_information(right: int, judged: int) -> float:
    """Bits that one more verdict tells about the share of right responses."""
    from scipy.special import digamma

    a, b = right + 0.5, judged - right + 0.5
    total = a + b
    mean = a / total
    marginal = -mean * np.log2(mean) - (1 - mean) * np.log2(1 - mean)
    # E[−p ln p] under Beta(a, b) is (a / (a + b)) (ψ(a + b + 1) − ψ(a + 1)).
    expected = (
        mean * (digamma(total + 1) - digamma(a + 1))
        + (1 - mean) * (digamma(total + 1) - digamma(b + 1))
    ) / np.log(2)
    return float(max(0.0, marginal - expected))


def allocate(counts: Sequence[tuple[int, int]], budget: int, *, most: int = 128) -> list[int]:
    """Rollouts for each prompt that maximise the expected number of mixed groups.

    `counts` holds (right, judged) of each prompt; every prompt gets 0 or 2 to `most`, `budget`
    in all at most. Greedy on the best gain per rollout, which is exact where the gain is
    concave; the first two rollouts are taken together, as one alone is never mixed.
    """
    allotted = [0] * len(counts)
    value = [0.0] * len(counts)
    left = budget
    while True:
        best, best_rate, best_step = -1, 0.0, 0
        for index, (right, judged) in enumerate(counts):
            step = 2 if allotted[index] == 0 else 1
            if step > left or allotted[index] + step > most:
                continue
            gain = mixed_probability(right, judged, allotted[index] + step) - value[index]
            if gain / step > best_rate:
                best, best_rate, best_step = index, gain / step, step
        if best < 0:
            return allotted
        allotted[best] += best_step
        left -= best_step
        right, judged = counts[best]
        value[best] = mixed_probability(right, judged, allotted[best])


class Exploration(Shaper):
    """Leaves the reward and reports the group's hints with every response."""

    kind: Literal["exploration"] = "exploration"
    more: int = Field(8, ge=2, le=4096, description="Responses in the group to come.")
    group_wise = True

    def shape(self, group: GroupView) -> Shaped:
        """The rewards as they are, with the hints."""
        correct = group.of(group.correct)
        judged = int(np.isfinite(correct).sum())
        right = int(np.nansum(correct)) if judged else 0
        hints = {
            "outcome_variance": outcome_variance(right, judged),
            "mixed_probability": mixed_probability(right, judged, self.more),
            "expected_information": expected_information(right, judged),
        }
        return Shaped(
            group.rewards.copy(),
            {name: np.full(len(group), hint) for name, hint in hints.items()},
            note=f"{right} of {judged} judged responses are right",
        )

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """Unchanged."""
        return minimum, maximum
