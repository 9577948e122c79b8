"""The ground floor of the comparison of trees."""

from __future__ import annotations

from rewardsvc_verifiers.math.judgement import (
    Judgement,
)
from rewardsvc_verifiers.math.policy import MathPolicy
from rewardsvc_verifiers.math.tree import Node


class ComparisonBase:
    """What every half of the comparison may call."""

    policy: MathPolicy

    def judge(self, reference: Node, answer: Node) -> Judgement:
        """Compare two trees of any kind. Raises LimitExceeded."""
        raise NotImplementedError

    def _structures(self, reference: Node, answer: Node) -> Judgement | None:
        raise NotImplementedError

    def _relations(self, reference: Node, answer: Node) -> Judgement:
        raise NotImplementedError
