"""Compare collections: sets, lists, tuples, matrices, ratios, plus-minus, labelled parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.identity import enclosure
from rewardsvc_verifiers.math.judgement import (
    PARSE,
    TYPED,
    Judgement,
    deeper,
    different,
    equal,
    unknown,
)
from rewardsvc_verifiers.math.tree import LimitExceeded, Node

Judge = Callable[[Node, Node], Judgement]

MAXIMUM_ITEMS: Final = 128
MAXIMUM_COMPARISONS: Final = 600
MAXIMUM_EXPANSION: Final = 32


def judge_ordered(
    reference: Sequence[Node], answer: Sequence[Node], judge: Judge, what: str
) -> Judgement:
    """Compare position by position."""
    if len(reference) != len(answer):
        return different(TYPED, f"{len(answer)} {what} instead of {len(reference)}")
    stage = PARSE
    undecided: Judgement | None = None
    for position, (expected, given) in enumerate(zip(reference, answer, strict=True), 1):
        found = judge(expected, given)
        if found.equal is False:
            return different(
                deeper(TYPED, found.stage), f"{what} number {position} differ: {found.reason}"
            )
        if found.equal is None:
            undecided = undecided or found
        stage = deeper(stage, found.stage)
    if undecided is not None:
        return undecided
    return equal(deeper(TYPED, stage), f"all {len(reference)} {what} agree in order")


def judge_unordered(
    reference: Sequence[Node], answer: Sequence[Node], judge: Judge, what: str
) -> Judgement:
    """Match each reference item with one answer item; equality is transitive, so greedily."""
    if len(reference) != len(answer):
        return different(TYPED, f"{len(answer)} {what} instead of {len(reference)}")
    if len(reference) > MAXIMUM_ITEMS:
        return unknown(f"more than {MAXIMUM_ITEMS} {what}")
    reference_keys = [approximate(item) for item in reference]
    answer_keys = [approximate(item) for item in answer]
    free = list(range(len(answer)))
    stage = TYPED
    budget = MAXIMUM_COMPARISONS
    for index, expected in enumerate(reference):
        match = -1
        undecided: Judgement | None = None
        key = reference_keys[index]
        candidates = free
        if key is not None:
            candidates = sorted(free, key=lambda i: _distance(key, answer_keys[i]))
        for candidate in candidates:
            if _far_apart(key, answer_keys[candidate]):
                continue
            budget -= 1
            if budget < 0:
                return unknown(f"too many {what} to match")
            found = judge(expected, answer[candidate])
            if found.equal:
                match = candidate
                stage = deeper(stage, found.stage)
                break
            if found.equal is None:
                undecided = undecided or found
        if match < 0:
            if undecided is not None:
                return undecided
            return different(TYPED, f"none of the {what} matches number {index + 1}")
        free.remove(match)
    return equal(stage, f"all {len(reference)} {what} agree")


def _distance(key: complex, other: complex | None) -> float:
    return 0.0 if other is None else abs(key - other)


def _far_apart(first: complex | None, second: complex | None) -> bool:
    if first is None or second is None:
        return False
    return abs(first - second) > 0.1 * max(abs(first), abs(second))


def approximate(node: Node) -> complex | None:
    """A floating-point value of a bare constant, to rule out pairs cheaply; else None."""
    if node.kind in (tree.QUANTITY, tree.PERCENT, tree.DEGREE, tree.RELATION, tree.TUPLE):
        return None
    try:
        value = exact(node)
        if value is not None:
            return complex(float(value))
        if tree.symbols(node):
            return None
        ball = enclosure(node, precision=64)
        return None if ball is None else complex(ball)
    except (OverflowError, LimitExceeded, ValueError, TypeError):
        return None


def distinct(items: Sequence[Node], judge: Judge) -> list[Node]:
    """The items without repetitions, for sets."""
    kept: list[Node] = []
    keys: list[complex | None] = []
    for item in items[: MAXIMUM_ITEMS + 1]:
        key = approximate(item)
        repeated = any(
            item == other or (not _far_apart(key, other_key) and judge(other, item).equal)
            for other, other_key in zip(kept, keys, strict=True)
            if key is None or other_key is None or abs(key - other_key) < 1e-6 * (abs(key) + 1e-300)
        )
        if not repeated:
            kept.append(item)
            keys.append(key)
    return kept


def has_plus_minus(node: Node) -> bool:
    """Whether a plus-minus sign stands anywhere in the tree."""
    return any(part.kind == tree.PLUS_MINUS for part in tree.walk(node))


def expand_plus_minus(node: Node) -> Node:
    """A list of both readings of plus-minus signs; the signs of one value go together."""
    if not has_plus_minus(node):
        return node
    if node.kind in (tree.LIST, tree.SET):
        items: list[Node] = []
        for child in node.args:
            expanded = expand_plus_minus(child)
            items.extend(expanded.args if expanded is not child else (child,))
            if len(items) > MAXIMUM_ITEMS:
                raise LimitExceeded("too many plus-minus signs")
        return node._replace(args=tuple(items))
    if node.kind == tree.TUPLE:
        return _expand_tuple(node)
    return Node(tree.LIST, (_choose_sign(node, True), _choose_sign(node, False)), "pm")


def _expand_tuple(node: Node) -> Node:
    """Signs of different coordinates are independent: (+-1, +-2) is four points."""
    points: list[tuple[Node, ...]] = [()]
    for child in node.args:
        if has_plus_minus(child):
            options = (_choose_sign(child, True), _choose_sign(child, False))
            points = [(*point, option) for point in points for option in options]
        else:
            points = [(*point, child) for point in points]
        if len(points) > MAXIMUM_EXPANSION:
            raise LimitExceeded("too many plus-minus signs")
    return Node(tree.LIST, tuple(node._replace(args=point) for point in points), "pm")


def _choose_sign(node: Node, upper: bool) -> Node:
    if node.kind == tree.PLUS_MINUS:
        positive = (node.name == "+-") == upper
        args = [_choose_sign(child, upper) for child in node.args]
        last = args[-1] if positive else tree.negate(args[-1])
        return last if len(args) == 1 else Node(tree.ADD, (args[0], last))
    if not node.args:
        return node
    return node._replace(args=tuple(_choose_sign(child, upper) for child in node.args))


def judge_matrices(reference: Node, answer: Node, judge: Judge) -> Judgement:
    """Same shape, same entries."""
    rows, answer_rows = reference.args, answer.args
    shape = (len(rows), len(rows[0].args))
    answer_shape = (len(answer_rows), len(answer_rows[0].args))
    if shape != answer_shape:
        return different(
            TYPED, f"a {answer_shape[0]} by {answer_shape[1]} matrix instead of "
            f"{shape[0]} by {shape[1]}",
        )  # fmt: skip
    cells = [cell for row in rows for cell in row.args]
    answer_cells = [cell for row in answer_rows for cell in row.args]
    return judge_ordered(cells, answer_cells, judge, "entries")


def as_matrix(node: Node) -> Node | None:
    """[[1,2],[3,4]] in plain notation as a matrix; None when it is none."""
    if node.kind == tree.MATRIX:
        return node
    if node.kind in (tree.INTERVAL, tree.TUPLE) and len(node.args) >= 1:
        if node.kind == tree.INTERVAL and node.name != "[]":
            return None
        if node.kind == tree.TUPLE and node.name not in ("[]", "()"):
            return None
        rows: list[Node] = []
        for child in node.args:
            bracketed = (child.kind == tree.INTERVAL and child.name == "[]") or (
                child.kind == tree.TUPLE and child.name in ("[]", "()")
            )
            if not bracketed:
                return None
            rows.append(Node(tree.LIST, child.args))
        if node.name == "()" and any(
            child.kind == tree.TUPLE and child.name == "()" for child in node.args
        ):
            return None
        if len({len(row.args) for row in rows}) == 1:
            return Node(tree.MATRIX, tuple(rows))
    return None


def vector_items(node: Node) -> tuple[Node, ...] | None:
    """Entries of a column matrix, a tuple or unit-vector-free vector; None otherwise."""
    if node.kind == tree.MATRIX and all(len(row.args) == 1 for row in node.args):
        return tuple(row.args[0] for row in node.args)
    if node.kind == tree.TUPLE:
        return node.args
    return _unit_vector_entries(node)


_UNIT_VECTORS: Final = ("hat(i)", "hat(j)", "hat(k)")


def _unit_vector_entries(node: Node) -> tuple[Node, ...] | None:
    """2i - 3j in unit vectors as (2, -3); None when it speaks of none."""
    names = tree.symbols(node)
    used = [name for name in _UNIT_VECTORS if name in names]
    if not used or node.kind not in (tree.ADD, tree.MULTIPLY, tree.NEGATE):
        return None
    entries: list[Node] = []
    for name in _UNIT_VECTORS[: 3 if "hat(k)" in used else 2]:
        entry = node
        for other in _UNIT_VECTORS:
            entry = tree.substitute(entry, other, tree.ONE if other == name else tree.ZERO)
        entries.append(entry)
    return tuple(entries)


def as_tuple(node: Node) -> Node:
    """A vector in unit vectors as a tuple; everything else as it is."""
    entries = _unit_vector_entries(node)
    return node if entries is None else Node(tree.TUPLE, entries, "<>")


def judge_ratios(reference: Node, answer: Node, judge: Judge) -> Judgement:
    """1:2 equals 2:4: cross products of neighbouring terms agree."""
    if len(reference.args) != len(answer.args):
        return different(TYPED, "ratios of different length")
    stage = TYPED
    first, other_first = reference.args[0], answer.args[0]
    for term, other in zip(reference.args[1:], answer.args[1:], strict=True):
        left = Node(tree.MULTIPLY, (first, other))
        right = Node(tree.MULTIPLY, (term, other_first))
        found = judge(left, right)
        if not found.equal:
            return found._replace(reason=f"the ratios differ: {found.reason}")
        stage = deeper(stage, found.stage)
    return equal(stage, "the ratios are the same")


def judge_ellipsis(reference: Sequence[Node], answer: Sequence[Node], judge: Judge) -> Judgement:
    """1, 2, ..., n: the written beginning and the end must agree, however much is written."""
    head, tail = _around_ellipsis(reference)
    answer_head, answer_tail = _around_ellipsis(answer)
    if head is None or answer_head is None or tail is None or answer_tail is None:
        return unknown("only one of the lists is abbreviated")
    shared = min(len(head), len(answer_head))
    if shared < 1:
        return unknown("an abbreviated list without a beginning")
    start = judge_ordered(head[:shared], answer_head[:shared], judge, "items")
    if start.equal is not True:
        return start
    if (tail and answer_tail) or (not tail and not answer_tail):
        end = judge_ordered(tail[-1:], answer_tail[-1:], judge, "last items")
        if end.equal is not True:
            return end
        if shared >= 2 or len(head) == len(answer_head):
            return equal(deeper(start.stage, end.stage), "the lists begin and end alike")
    return unknown("the lists are abbreviated differently")


def _around_ellipsis(
    items: Sequence[Node],
) -> tuple[Sequence[Node] | None, Sequence[Node] | None]:
    for index, item in enumerate(items):
        if item.kind == tree.ELLIPSIS:
            return items[:index], items[index + 1 :]
    return None, None
