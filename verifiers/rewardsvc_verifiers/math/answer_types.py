"""Name the kind of an answer, for verdicts and error rates."""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.labels import parts_of
from rewardsvc_verifiers.math.reading import Reading
from rewardsvc_verifiers.math.scalars import infinity_sign
from rewardsvc_verifiers.math.tree import Node

ANSWER_TYPES: Final = (
    "integer", "rational", "decimal", "percent", "scientific", "quantity", "angle", "time",
    "ratio", "base_n", "infinity", "complex", "transcendental", "expression", "calculus",
    "plus_minus", "list", "set", "tuple", "labelled", "interval", "inequality", "equation",
    "matrix", "choice", "text", "unread",
)  # fmt: skip

_BY_KIND: Final = {
    tree.PERCENT: "percent", tree.QUANTITY: "quantity", tree.DEGREE: "angle",
    tree.CLOCK: "time", tree.RATIO: "ratio", tree.BASE_N: "base_n",
    tree.PLUS_MINUS: "plus_minus", tree.SET: "set", tree.TUPLE: "tuple",
    tree.INTERVAL: "interval", tree.UNION: "interval", tree.INTERSECTION: "interval",
    tree.SET_DIFFERENCE: "interval", tree.NUMBER_SET: "interval", tree.EMPTY_SET: "set",
    tree.SET_BUILDER: "inequality", tree.MATRIX: "matrix", tree.PIECEWISE: "expression",
    tree.TEXT: "text", tree.MIXED: "rational", tree.DECIMAL: "decimal",
}  # fmt: skip
_CALCULUS: Final = frozenset({tree.INTEGRAL, tree.SUM, tree.PRODUCT, tree.LIMIT, tree.DERIVATIVE})


def answer_type(reading: Reading) -> str:
    """One of `ANSWER_TYPES`."""
    if reading.choice:
        return "choice"
    if reading.node is None:
        return "text" if reading.words else "unread"
    return type_of(reading.node)


def type_of(node: Node) -> str:
    """The kind of a tree."""
    kind = node.kind
    if kind == tree.NUMBER:
        return "integer" if isinstance(node.number, int) else "rational"
    if kind == tree.DECIMAL and "e" in node.name:
        return "scientific"
    if kind == tree.NEGATE and infinity_sign(node) is None:
        return type_of(node.args[0])
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    if kind in (tree.LIST, tree.RELATION) and parts_of(node) is not None:
        return "labelled"
    if kind == tree.LIST:
        return "list"
    if kind == tree.RELATION:
        if node.name == "=":
            return "equation"
        return "interval" if node.name == "in" else "inequality"
    return _scalar_type(node)


def _scalar_type(node: Node) -> str:
    if infinity_sign(node) is not None:
        return "infinity"
    last = node.args[-1] if node.kind == tree.MULTIPLY else node
    if last is not node and last.kind == tree.POWER and last.args[0] == tree.integer(10):
        return "scientific"
    kinds = set()
    for part in tree.walk(node):
        kinds.add(part.kind)
        if part.kind == tree.CONSTANT and part.name == "i":
            return "complex"
    if tree.PLUS_MINUS in kinds:
        return "plus_minus"
    if tree.QUANTITY in kinds:
        return "quantity"
    if kinds & _CALCULUS:
        return "calculus"
    if exact(node) is not None:
        return "rational"
    return "expression" if tree.SYMBOL in kinds else "transcendental"
