"""Compare collections, matrices, ratios, congruences, times of day."""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import groups, tree
from rewardsvc_verifiers.math.compare_base import ComparisonBase
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.judgement import (
    NUMERIC,
    TYPED,
    Judgement,
    different,
    equal,
    unknown,
)
from rewardsvc_verifiers.math.text import (
    normal_words,
)
from rewardsvc_verifiers.math.tree import Node

_COLLECTIONS: Final = frozenset({tree.LIST, tree.SET})


class StructureComparison(ComparisonBase):
    """Whatever is neither a region, a relation nor a scalar."""

    def _structures(self, reference: Node, answer: Node) -> Judgement | None:
        if tree.TUPLE in (reference.kind, answer.kind) or tree.MATRIX in (
            reference.kind,
            answer.kind,
        ):
            reference, answer = groups.as_tuple(reference), groups.as_tuple(answer)
        kinds = (reference.kind, answer.kind)
        if tree.MATRIX in kinds or (tree.INTERVAL in kinds and tree.TUPLE not in kinds):
            found = self._matrices(reference, answer)
            if found is not None:
                return found
        if tree.MODULO in kinds:
            return self._congruences(reference, answer)
        if tree.CLOCK in kinds:
            return _judge_clocks(reference, answer)
        if tree.RATIO in kinds:
            return self._ratios(reference, answer)
        if tree.TEXT in kinds:
            return _judge_text_nodes(reference, answer)
        if tree.PIECEWISE in kinds:
            if kinds[0] != kinds[1]:
                return unknown("one is defined by cases, the other is not")
            found = groups.judge_ordered(reference.args, answer.args, self.judge, "cases")
            return found if found.equal else unknown("cases that are not written alike")
        if kinds[0] in _COLLECTIONS or kinds[1] in _COLLECTIONS or tree.TUPLE in kinds:
            return self._collections(reference, answer)
        if tree.INTERVAL in kinds:
            return unknown("an interval instead of a value")
        return None

    def _matrices(self, reference: Node, answer: Node) -> Judgement | None:
        first, second = groups.as_matrix(reference), groups.as_matrix(answer)
        if first is not None and second is not None:
            return groups.judge_matrices(first, second, self.judge)
        matrix, other = (first, answer) if first is not None else (second, reference)
        if matrix is None:
            return None
        items = groups.vector_items(other)
        if other.kind == tree.INTERVAL:
            items = other.args
        column = groups.vector_items(matrix)
        if column is None and len(matrix.args) == 1:
            column = matrix.args[0].args
        if items is not None and column is not None and self.policy.column_is_tuple:
            pair = (column, items) if first is not None else (items, column)
            return groups.judge_ordered(pair[0], pair[1], self.judge, "entries")
        if other.kind in (tree.NUMBER, tree.DECIMAL, tree.SYMBOL):
            return different(TYPED, "one is a matrix, the other is not")
        return unknown("one is a matrix, the other is not")

    def _congruences(self, reference: Node, answer: Node) -> Judgement:
        """x = 3 (mod 7): the modulus must agree, and the residues up to it."""
        if reference.kind != answer.kind:
            return unknown("one is a congruence, the other is not")
        modulus = exact(reference.args[1])
        if modulus is None or modulus != exact(answer.args[1]) or not modulus:
            return different(TYPED, "the moduli differ")
        first, second = reference.args[0], answer.args[0]
        if first.kind == tree.RELATION and second.kind == tree.RELATION:
            if first.args[0] != second.args[0]:
                return unknown("the congruences are about different names")
            first, second = first.args[-1], second.args[-1]
        residue, other = exact(first), exact(second)
        if residue is None or other is None:
            return unknown("the residues are no numbers")
        if (residue - other) % modulus == 0:
            return equal(TYPED, "the same residue class")
        return different(TYPED, "different residue classes")

    def _ratios(self, reference: Node, answer: Node) -> Judgement:
        if reference.kind == answer.kind:
            return groups.judge_ratios(reference, answer, self.judge)
        ratio, other = (reference, answer) if reference.kind == tree.RATIO else (answer, reference)
        if not self.policy.ratio_is_fraction or len(ratio.args) != 2:
            return unknown("one is a ratio, the other is not")
        if other.kind in _COLLECTIONS or other.kind == tree.TUPLE:
            return unknown("one is a ratio, the other is not")
        quotient = Node(tree.DIVIDE, ratio.args)
        if reference.kind == tree.RATIO:
            return self.judge(quotient, answer)
        return self.judge(reference, quotient)

    def _collections(self, reference: Node, answer: Node) -> Judgement:
        if any(child.kind == tree.ELLIPSIS for node in (reference, answer) for child in node.args):
            return groups.judge_ellipsis(reference.args, answer.args, self.judge)
        kinds = {reference.kind, answer.kind}
        if kinds == {tree.TUPLE}:
            return groups.judge_ordered(reference.args, answer.args, self.judge, "coordinates")
        if kinds <= _COLLECTIONS:
            if tree.SET in kinds:
                first = groups.distinct(reference.args, self.judge)
                second = groups.distinct(answer.args, self.judge)
                return groups.judge_unordered(first, second, self.judge, "elements")
            if self.policy.list_order == "as_reference":
                return groups.judge_ordered(reference.args, answer.args, self.judge, "items")
            return groups.judge_unordered(reference.args, answer.args, self.judge, "items")
        if kinds == {tree.LIST, tree.TUPLE}:
            return self._list_and_tuple(reference, answer)
        if kinds == {tree.SET, tree.TUPLE}:
            if "[]" in (reference.name, answer.name):
                return unknown("one is a set, the other a bracketed list")
            return different(TYPED, "one is a set, the other an ordered tuple")
        return self._collection_and_value(reference, answer)

    def _list_and_tuple(self, reference: Node, answer: Node) -> Judgement:
        found = groups.judge_ordered(reference.args, answer.args, self.judge, "items")
        if found.equal is not False or reference.kind == tree.TUPLE:
            return found
        if groups.judge_unordered(reference.args, answer.args, self.judge, "items").equal:
            return unknown("the same values, ordered differently in a tuple")
        return found

    def _collection_and_value(self, reference: Node, answer: Node) -> Judgement:
        collection, value = (
            (reference, answer)
            if reference.kind in _COLLECTIONS or reference.kind == tree.TUPLE
            else (answer, reference)
        )
        if collection.kind in _COLLECTIONS:
            items = groups.distinct(collection.args, self.judge)
            if len(items) == 1 and (collection.kind == tree.SET or collection.name in ("pm", "or")):
                pair = (items[0], value) if collection is reference else (value, items[0])
                return self.judge(*pair)
            if collection.name == "where":
                return unknown("a condition is attached")
            return different(TYPED, f"{len(collection.args)} values instead of one")
        return different(TYPED, "one is a tuple, the other a single value")


def _judge_clocks(reference: Node, answer: Node) -> Judgement:
    first, second = _clock(reference), _clock(answer)
    if first is None or second is None:
        return unknown("one is a time of day, the other is not")
    (minutes, half), (other, other_half) = first, second
    if minutes == other and (half == other_half or not (half and other_half)):
        return equal(NUMERIC, "the same time of day")
    if not (half and other_half) and minutes % 720 == other % 720 and max(minutes, other) < 780:
        return equal(NUMERIC, "the same time of day")
    bare = minutes if not half else other
    if not (half and other_half) and minutes % 720 == other % 720 and bare < 780:
        return equal(NUMERIC, "the same time of day, morning or afternoon left out")
    return different(NUMERIC, "different times of day")


def _clock(node: Node) -> tuple[int, str] | None:
    if node.kind == tree.CLOCK and isinstance(node.number, int):
        return node.number, node.name
    if node.kind == tree.RATIO and len(node.args) == 2:
        hour, minute = node.args[0].number, node.args[1].number
        if isinstance(hour, int) and isinstance(minute, int) and 0 <= hour <= 24 > 0 <= minute < 60:
            return hour * 60 + minute, ""
    if node.kind == tree.NUMBER and isinstance(node.number, int) and 0 < node.number <= 12:
        return node.number * 60, ""
    return None


def _judge_text_nodes(reference: Node, answer: Node) -> Judgement:
    if reference.kind == answer.kind:
        first, second = normal_words(reference.name), normal_words(answer.name)
        if first == second:
            return equal(TYPED, "the same words")
        return different(TYPED, "different words") if first and second else unknown("no words")
    return unknown("one is in words, the other is not")
