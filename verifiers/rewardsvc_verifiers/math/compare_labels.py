"""Compare answers with named parts: `x = 5`, `x = 1, y = 2`, points, functions."""

from __future__ import annotations

from rewardsvc_verifiers.math import groups, tree
from rewardsvc_verifiers.math.compare_base import ComparisonBase
from rewardsvc_verifiers.math.equations import judge_equations
from rewardsvc_verifiers.math.judgement import (
    TYPED,
    Judgement,
    different,
    unknown,
)
from rewardsvc_verifiers.math.labels import (
    Part,
    as_points,
    parts_of,
)
from rewardsvc_verifiers.math.regions import is_region
from rewardsvc_verifiers.math.tree import Node


class LabelComparison(ComparisonBase):
    """Labels match labels; a missing label is a question of policy."""

    def _labelled(self, reference: Node, answer: Node) -> Judgement | None:
        parts, answer_parts = parts_of(reference), parts_of(answer)
        if parts is None and answer_parts is None:
            return None
        if parts is not None and answer_parts is not None:
            return self._both_labelled(parts, answer_parts, reference, answer)
        if self.policy.labels == "required" and parts is not None and len(parts) > 1:
            return unknown("the labels are missing")
        if parts is not None:
            return self._one_labelled(parts, answer, True)
        assert answer_parts is not None
        return self._one_labelled(answer_parts, reference, False)

    def _both_labelled(
        self, parts: list[Part], answer_parts: list[Part], reference: Node, answer: Node
    ) -> Judgement | None:
        points, answer_points = as_points(parts), as_points(answer_parts)
        labels = [part.label for part in parts]
        answer_labels = [part.label for part in answer_parts]
        if points is not None and answer_points is not None and labels == answer_labels:
            return groups.judge_unordered(points, answer_points, self.judge, "points")
        values = [part.value for part in parts]
        answer_values = [part.value for part in answer_parts]
        if len(set(labels)) == 1 and len(set(answer_labels)) == 1:
            if labels[0] == answer_labels[0] or _same_function(labels[0], answer_labels[0]):
                found = self._values(values, _aligned(reference, answer, answer_values))
                if found.equal is not None or len(parts) > 1:
                    return found
                return self._as_equations(reference, answer) or found
            equations = self._as_equations(reference, answer)
            if equations is not None and (equations.equal or not _constant(values)):
                return equations
            found = self._values(values, answer_values)
            if found.equal:
                if _interchangeable(labels[0], answer_labels[0]):
                    return found
                return unknown(f"{answer_labels[0]} is named instead of {labels[0]}")
            return found
        if sorted(labels) == sorted(answer_labels) and len(set(labels)) == len(labels):
            by_label = dict(zip(answer_labels, answer_values, strict=True))
            ordered = [by_label[label] for label in labels]
            return groups.judge_ordered(values, ordered, self.judge, "parts")
        if sorted(labels) == sorted(answer_labels):
            return self._grouped(parts, answer_parts)
        if len({label.split("_")[0] for label in (*labels, *answer_labels)}) == 1 and (
            len(set(labels)) == 1 or len(set(answer_labels)) == 1
        ):
            return self._values(values, answer_values)  # x_1 = 2, x_2 = 3 and x = 2, 3
        missing = set(labels) - set(answer_labels)
        if missing and set(answer_labels) < set(labels):
            return different(TYPED, f"{', '.join(sorted(missing))} is missing")
        if len(parts) == len(answer_parts):
            found = groups.judge_unordered(values, answer_values, self.judge, "values")
            if found.equal is False:
                return found
        elif set(labels) == set(answer_labels):
            return different(TYPED, f"{len(answer_parts)} parts instead of {len(parts)}")
        return unknown("the parts are named differently")

    def _grouped(self, parts: list[Part], answer_parts: list[Part]) -> Judgement:
        """Labels that repeat: x = 1, y = 2, x = 3, y = 4, as values of each label in order."""
        ordered = [part.value for part in sorted(parts, key=lambda part: part.label)]
        given = [part.value for part in sorted(answer_parts, key=lambda part: part.label)]
        found = groups.judge_ordered(ordered, given, self.judge, "parts")
        return found if found.equal else unknown("repeated labels in another order")

    def _values(self, values: list[Node], answer_values: list[Node]) -> Judgement:
        if len(values) == 1 and len(answer_values) == 1:
            return self.judge(values[0], answer_values[0])
        return groups.judge_unordered(
            groups.distinct(values, self.judge),
            groups.distinct(answer_values, self.judge), self.judge, "values",
        )  # fmt: skip

    def _as_equations(self, reference: Node, answer: Node) -> Judgement | None:
        if (
            reference.kind == tree.RELATION
            and answer.kind == tree.RELATION
            and reference.name == answer.name == "="
            and not any(
                child.kind in (tree.FUNCTION, tree.TEXT, tree.TUPLE)
                for child in (*reference.args, *answer.args)
            )
        ):
            return judge_equations(reference, answer)
        return None

    def _one_labelled(
        self, parts: list[Part], other: Node, labels_in_reference: bool
    ) -> Judgement | None:
        """One side is labelled: `x = 5` against 5, `x = 1, y = 2` against (1, 2)."""

        def ordered(first: list[Node], second: list[Node]) -> Judgement:
            if labels_in_reference:
                return groups.judge_ordered(first, second, self.judge, "parts")
            return groups.judge_ordered(second, first, self.judge, "parts")

        points = as_points(parts)
        if points is not None:
            whole = Node(tree.LIST, tuple(points))
            return self.judge(*((whole, other) if labels_in_reference else (other, whole)))
        values = [part.value for part in parts]
        labels = {part.label for part in parts}
        if len(labels) == 1:
            if len(values) > 1 and other.kind == tree.TUPLE:
                return unknown("the values of one variable, and a tuple")
            if other.kind == tree.RELATION or (is_region(other) and other.kind != tree.SET):
                return None
            value = values[0] if len(values) == 1 else Node(tree.LIST, tuple(values))
            pair = (value, other) if labels_in_reference else (other, value)
            return self.judge(*pair)
        if other.kind == tree.LIST and any(item.kind == tree.RELATION for item in other.args):
            return None
        items = list(other.args) if other.kind in (tree.TUPLE, tree.LIST, tree.SET) else None
        if other.kind == tree.INTERVAL:
            items = list(other.args)
        if items is None:
            if len(values) > 1 and other.kind != tree.RELATION and not is_region(other):
                return different(TYPED, "one value instead of several named parts")
            return None
        found = ordered(values, items)
        if found.equal or len(items) != len(values):
            return found
        by_name = [part.value for part in sorted(parts, key=lambda part: part.label)]
        again = ordered(by_name, items)
        if again.equal:
            return again
        if groups.judge_unordered(values, items, self.judge, "parts").equal:
            if other.kind == tree.TUPLE:
                return different(TYPED, "the parts stand in another order")
            return unknown("the parts are not named and stand in another order")
        return found


def _constant(values: list[Node]) -> bool:
    return not any(tree.symbols(value) for value in values)


def _same_function(first: str, second: str) -> bool:
    functions = {"y", "f", "g", "h"}
    return first in functions and second in functions and "y" in (first, second)


def _aligned(reference: Node, answer: Node, values: list[Node]) -> list[Node]:
    """f(t) = t^2 against f(x) = x^2: the answer's argument takes the reference's name."""
    if reference.kind == answer.kind == tree.RELATION:
        left, right = reference.args[0], answer.args[0]
        if left.kind == right.kind == tree.FUNCTION and len(left.args) == len(right.args) == 1:
            old, new = right.args[0], left.args[0]
            if old.kind == new.kind == tree.SYMBOL and old != new:
                return [tree.substitute(value, old.name, new) for value in values]
    return values


def _interchangeable(first: str, second: str) -> bool:
    """A label in words and a letter may name the same thing."""
    return (len(first) > 1) != (len(second) > 1) and (" " in first + second or first[1:].islower())
