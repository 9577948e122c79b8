"""Log-sigmoid of the reward against a reference value: sums become a logical AND.

u = log σ(r − r_ref). Wang et al., "Transforming and Combining Rewards for Aligning Large
Language Models" (arXiv 2402.00742). Derived: with σ(r − r_ref) as the probability that a
response is good, Σ u over independent properties is the logarithm of the probability that
all are, and a sum is dominated by the worst property, whose gradient is the largest.

r_ref is a number, or a quantile of the group's own rewards (the paper's choice of reference
is not restated here: it was not at hand).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView, Shaped

__all__ = ["LogSigmoid", "log_sigmoid"]


def log_sigmoid(values: Array) -> Array:
    """log σ(z), shape kept, at most 0; exact for large |z|."""
    with np.errstate(invalid="ignore"):
        return -np.logaddexp(0.0, -values)


class LogSigmoid(Shaper):
    """Replaces the reward r by log σ(r − reference)."""

    kind: Literal["log_sigmoid"] = "log_sigmoid"
    reference: float = Field(0.0, allow_inf_nan=False, description="The reward of an even chance.")
    group_quantile: float | None = Field(
        None, ge=0, le=1, description="Takes this quantile of the group instead of reference."
    )

    @property
    def is_group_wise(self) -> bool:
        """Only with a quantile of the group."""
        return self.group_quantile is not None

    def shape(self, group: GroupView) -> Shaped:
        """u = log σ(r − r_ref); shape (responses,), at most 0."""
        reference = self.reference
        if self.group_quantile is not None and group.scored.any():
            reference = float(np.quantile(group.rewards[group.scored], self.group_quantile))
        return Shaped(
            log_sigmoid(group.rewards - reference),
            {"reference": np.full(len(group), reference)},
        )

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """At most 0."""
        return None, 0.0
