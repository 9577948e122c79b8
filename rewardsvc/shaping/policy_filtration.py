"""Which responses of a group are worth training on, by rank of reward: PF-PPO.

Shen & Zhang, "Policy Filtration in RLHF" (arXiv 2409.06957): responses ranked by reward are
sampled with the weights

    best_of_n      1, 0, …, 0
    best_random    ½, then ½ shared by the others
    best_worst     ½, 0, …, 0, ½

(their code's raw weights .4 and .1 are best_random at N = 5; shared evenly here for any N).
Ties share the weights of the ranks they occupy. The scheme to take is the one whose rewards
explain the true score best, by R² over reward-sorted groups (`choose_scheme`); they report
.886 for none, .454, .922 and .952.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["PolicyFiltration", "Scheme", "choose_scheme", "filtration_weights", "r_squared"]

Scheme = Literal["none", "best_of_n", "best_random", "best_worst"]
SCHEMES: tuple[Scheme, ...] = ("none", "best_of_n", "best_random", "best_worst")


def filtration_weights(rewards: Array, scheme: Scheme) -> Array:
    """Sampling weights of one group, summing to 1 over the responses with a reward.

    NaN where there is no reward. With a single reward its weight is 1 in every scheme.
    """
    present = np.flatnonzero(np.isfinite(rewards))
    weights = np.full(len(rewards), np.nan)
    count = len(present)
    if count == 0:
        return weights
    by_rank = np.zeros(count)
    if count == 1:
        by_rank[0] = 1.0
    elif scheme == "none":
        by_rank[:] = 1 / count
    elif scheme == "best_of_n":
        by_rank[0] = 1.0
    elif scheme == "best_random":
        by_rank[:] = 0.5 / (count - 1)
        by_rank[0] = 0.5
    else:
        by_rank[0] = by_rank[-1] = 0.5
    values = rewards[present]
    ranked = np.argsort(-values, kind="stable")
    _, tied = np.unique(-values[ranked], return_inverse=True)
    shared = np.bincount(tied, by_rank) / np.bincount(tied)
    weights[present[ranked]] = shared[tied]
    return weights


def r_squared(true: Array, predicted: Array) -> float | None:
    """1 − Σ(s − ŝ)² / Σ(s − s̄)²; None where the true scores are all equal."""
    spread = float(((true - true.mean()) ** 2).sum()) if len(true) else 0.0
    return None if spread == 0 else 1 - float(((true - predicted) ** 2).sum()) / spread


def choose_scheme(
    rewards: Sequence[Array], true: Sequence[Array]
) -> tuple[Scheme, Mapping[Scheme, float]] | None:
    """The scheme with the highest R² of the true score on reward, with every scheme's R².

    `rewards` and `true` hold one array a prompt. Under each scheme, responses count by their
    weight; rewards are mapped to true scores by a weighted straight line, and R² is weighted
    likewise (derived: their table fits over reward-sorted groups without saying how). None
    where some scheme's true scores are constant, so that R² is undefined for it.
    """
    found: dict[Scheme, float] = {}
    r = np.concatenate([np.asarray(group, float) for group in rewards])
    s = np.concatenate([np.asarray(group, float) for group in true])
    for scheme in SCHEMES:
        w = np.concatenate([filtration_weights(np.asarray(g, float), scheme) for g in rewards])
        use = np.isfinite(w) & np.isfinite(s) & (w > 0)
        x, y, weight = r[use], s[use], w[use]
        if len(y) == 0 or np.ptp(y) == 0:
            return None
        centre = float(np.average(y, weights=weight))
        slope, intercept = 0.0, centre
        if np.ptp(x) > 0:
            slope, intercept = np.polyfit(x, y, 1, w=np.sqrt(weight)).tolist()
        found[scheme] = 1 - float(
            (weight * (y - slope * x - intercept) ** 2).sum() / (weight * (y - centre) ** 2).sum()
        )
    best = max(SCHEMES, key=lambda scheme: found[scheme])
    return best, found


class PolicyFiltration(Shaper):
    """Leaves the reward and reports the sampling weight `filtration_weight`."""

    kind: Literal["policy_filtration"] = "policy_filtration"
    scheme: Scheme = "best_worst"
    group_wise = True

    def shape(self, group: GroupView) -> Shaped:
        """The rewards as they are, with weights."""
        return Shaped(
            group.rewards.copy(),
            {"filtration_weight": filtration_weights(group.rewards, self.scheme)},
        )

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """Unchanged."""
        return minimum, maximum
