"""Compare two trees by type: the dispatcher of the typed stage.

Each kind of answer is compared in a module of its own; this one only decides which.
"""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import groups, tree
from rewardsvc_verifiers.math.compare_labels import LabelComparison
from rewardsvc_verifiers.math.compare_regions import RegionComparison
from rewardsvc_verifiers.math.compare_structures import StructureComparison
from rewardsvc_verifiers.math.judgement import (
    PARSE,
    Judgement,
    equal,
)
from rewardsvc_verifiers.math.labels import (
    strip_conditions,
)
from rewardsvc_verifiers.math.policy import MathPolicy
from rewardsvc_verifiers.math.regions import is_region
from rewardsvc_verifiers.math.scalars import judge_scalar
from rewardsvc_verifiers.math.tree import LimitExceeded, Node

_COLLECTIONS: Final = frozenset({tree.LIST, tree.SET})
_MAXIMUM_JUDGEMENTS: Final = 1500


class Comparison(LabelComparison, RegionComparison, StructureComparison):
    """One comparison of two trees: the policy, and a bound on its work."""

    def __init__(self, policy: MathPolicy, plus_minus: bool = True) -> None:
        self.policy = policy
        self.plus_minus = plus_minus
        self.remaining = _MAXIMUM_JUDGEMENTS

    def judge(self, reference: Node, answer: Node) -> Judgement:
        """Compare two trees of any kind. Raises LimitExceeded."""
        self.remaining -= 1
        if self.remaining < 0:
            raise LimitExceeded("too many parts to compare")
        if reference == answer:
            return equal(PARSE, "both are the same expression")
        if self.plus_minus:
            reference = groups.expand_plus_minus(reference)
            answer = groups.expand_plus_minus(answer)
        reference, answer, caveat = self._without_conditions(reference, answer)
        if caveat is not None:
            return caveat
        if (
            reference.kind == tree.RELATION
            or answer.kind == tree.RELATION
            or (reference.kind in _COLLECTIONS or answer.kind in _COLLECTIONS)
        ):
            labelled = self._labelled(reference, answer)
            if labelled is not None:
                return labelled
        if is_region(reference) or is_region(answer):
            regions = self._regions(reference, answer)
            if regions is not None:
                return regions
        if reference.kind == tree.RELATION or answer.kind == tree.RELATION:
            return self._relations(reference, answer)
        structured = self._structures(reference, answer)
        if structured is not None:
            return structured
        return judge_scalar(reference, answer, self.policy)

    def _without_conditions(
        self, reference: Node, answer: Node
    ) -> tuple[Node, Node, Judgement | None]:
        """Drop domains, and rename a whole-number parameter that only they introduce."""
        if reference.kind != tree.LIST and answer.kind != tree.LIST:
            return reference, answer, None
        left, whole, conditions = strip_conditions(reference)
        right, answer_whole, answer_conditions = strip_conditions(answer)
        if conditions and answer_conditions:
            both = groups.judge_unordered(conditions, answer_conditions, self.judge, "conditions")
            if not both.equal:
                return reference, answer, both
        elif (conditions or answer_conditions) and not (
            reference.name == "where" or answer.name == "where" or _is_value(left)
        ):
            left, right = reference, answer
        if whole | answer_whole:
            left, right = _align_parameters(left, right, whole, answer_whole)
        return left, right, None


def _is_value(node: Node) -> bool:
    return node.kind not in (tree.LIST, tree.RELATION)


def _align_parameters(
    reference: Node, answer: Node, whole: frozenset[str], answer_whole: frozenset[str]
) -> tuple[Node, Node]:
    """Give the answer's whole-number parameter the reference's name."""
    names, answer_names = tree.symbols(reference), tree.symbols(answer)
    extra, answer_extra = names - answer_names, answer_names - names
    if len(extra) == len(answer_extra) == 1:
        new, old = next(iter(extra)), next(iter(answer_extra))
        if new in whole or old in answer_whole:
            return reference, tree.substitute(answer, old, tree.symbol(new))
    return reference, answer
