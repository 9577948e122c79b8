"""Compare sets of real numbers and relations."""

from __future__ import annotations

from rewardsvc_verifiers.math import groups, tree
from rewardsvc_verifiers.math.compare_base import ComparisonBase
from rewardsvc_verifiers.math.equations import judge_equations, judge_inequalities
from rewardsvc_verifiers.math.inequalities import MIRROR
from rewardsvc_verifiers.math.intervals import NoRegion, Region
from rewardsvc_verifiers.math.judgement import (
    TYPED,
    Judgement,
    deeper,
    different,
    equal,
    unknown,
)
from rewardsvc_verifiers.math.labels import (
    named,
)
from rewardsvc_verifiers.math.regions import is_region, region
from rewardsvc_verifiers.math.scalars import judge_scalar
from rewardsvc_verifiers.math.tree import Node


class RegionComparison(ComparisonBase):
    """Intervals, inequalities, equations, chains of relations."""

    def _regions(self, reference: Node, answer: Node) -> Judgement | None:
        if tree.EMPTY_SET in (reference.kind, answer.kind):
            other = answer if reference.kind == tree.EMPTY_SET else reference
            if not is_region(other) and other.kind not in (tree.TEXT,):
                return different(TYPED, "one is empty, the other has a value")
        if reference.kind == answer.kind == tree.NUMBER_SET:
            return different(TYPED, "different sets of numbers")
        try:
            return self._compare_regions(region(reference), region(answer))
        except NoRegion as problem:
            if reference.kind == answer.kind and reference.kind in (
                tree.INTERVAL, tree.UNION, tree.INTERSECTION, tree.SET_DIFFERENCE,
            ):  # fmt: skip
                if reference.name != answer.name:
                    return different(TYPED, "the brackets differ")
                return groups.judge_ordered(reference.args, answer.args, self.judge, "ends")
            if reference.kind == answer.kind == tree.SET_BUILDER:
                return self._builders(reference, answer)
            if reference.kind == tree.RELATION and answer.kind == tree.RELATION:
                return None
            as_list = self._plain_bracket(reference, answer)
            if as_list is not None:
                return as_list
            return unknown(f"the sets could not be compared: {problem}")

    def _plain_bracket(self, reference: Node, answer: Node) -> Judgement | None:
        """[1, 2] meant as a vector or a matrix rather than an interval."""
        if tree.MATRIX in (reference.kind, answer.kind) or tree.INTERVAL in (
            reference.kind,
            answer.kind,
        ):
            return self._structures(reference, answer)
        return None

    def _compare_regions(self, reference: Region, answer: Region) -> Judgement:
        if len(reference.pieces) != len(answer.pieces):
            return different(TYPED, "the sets have different pieces")
        stage = TYPED
        for piece, other in zip(reference.pieces, answer.pieces, strict=True):
            if (piece.low_closed, piece.high_closed) != (other.low_closed, other.high_closed):
                return different(TYPED, "an end belongs to one set and not to the other")
            for first, second in ((piece.low, other.low), (piece.high, other.high)):
                found = judge_scalar(first, second, self.policy)
                if found.equal is not True:
                    return found._replace(reason=f"an end of the sets: {found.reason}")
                stage = deeper(stage, found.stage)
        if reference.variable and answer.variable and reference.variable != answer.variable:
            return unknown(f"{answer.variable} is named instead of {reference.variable}")
        return equal(stage, "both are the same set of real numbers")

    def _builders(self, reference: Node, answer: Node) -> Judgement:
        names, answer_names = tree.symbols(reference), tree.symbols(answer)
        extra, answer_extra = names - answer_names, answer_names - names
        if len(extra) == len(answer_extra) == 1:
            answer = tree.substitute(
                answer, next(iter(answer_extra)), tree.symbol(next(iter(extra)))
            )
        found = groups.judge_ordered(reference.args, answer.args, self.judge, "halves")
        if found.equal:
            return found
        return unknown("two sets in set-builder notation that are not written alike")

    def _relations(self, reference: Node, answer: Node) -> Judgement:
        if reference.kind == answer.kind:
            if reference.name == answer.name == "=":
                return judge_equations(reference, answer)
            if len(reference.args) == len(answer.args) == 2:
                if self._same_sides(reference, answer):
                    return equal(TYPED, "both sides of the relations agree")
                return judge_inequalities(reference, answer)
            return unknown("chains of relations that are not written alike")
        if answer.kind == tree.RELATION:
            return self._value_of_relation(answer, reference, True)
        return self._value_of_relation(reference, answer, False)

    def _same_sides(self, reference: Node, answer: Node) -> bool:
        """Whether the sides agree, read from the left or, mirrored, from the right."""
        left, right = reference.args
        first, second = answer.args
        if MIRROR.get(answer.name, "") == reference.name:
            first, second = second, first
        elif answer.name != reference.name:
            return False
        return bool(self.judge(left, first).equal) and bool(self.judge(right, second).equal)

    def _value_of_relation(self, relation: Node, value: Node, in_answer: bool) -> Judgement:
        """A chain such as 2 + 3 = 5 or x^2 + 1 = 5 against a value."""
        operators = relation.name.split()
        if any(operator not in ("=", "~=") for operator in operators):
            return unknown("a relation instead of a value")
        members = list(relation.args)
        if tree.symbols(members[0]) and not tree.symbols(members[-1]):
            quantity = members[0].kind in (tree.SYMBOL, tree.ABSOLUTE, tree.FUNCTION)
            if not in_answer and len(members) == 2 and not quantity:
                return unknown("an equation in the reference, a value in the answer")
            members = members[1:]
            operators = operators[1:]
        elif named(relation) is None and len(members) == 2 and tree.symbols(members[0]):
            return unknown("an equation instead of a value")
        for first, operator, second in zip(members, operators, members[1:], strict=False):
            if operator == "=":
                link = self.judge(first, second)
                if link.equal is not True:
                    if link.equal is False:
                        return different(TYPED, f"the chain of equations is false: {link.reason}")
                    return unknown("a chain of equations that could not be checked")
        results = []
        for member in members if "~=" in operators else members[-1:]:
            pair = (value, member) if in_answer else (member, value)
            found = self.judge(*pair)
            if found.equal:
                return found
            results.append(found)
        return results[0]
