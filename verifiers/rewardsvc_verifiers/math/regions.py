"""Sets of real numbers: intervals, inequalities, unions, set-builder notation, made alike.

An inequality in one variable is solved when it is polynomial (linear exactly, quadratic with
surds, higher degrees by isolated roots) or a bound on an absolute value. What cannot be
turned into a region stays undecided.
"""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.inequalities import MIRROR, solve_inequality
from rewardsvc_verifiers.math.intervals import (
    REALS,
    NoRegion,
    Region,
    complement,
    intersection,
    interval_pieces,
    is_symbolic,
    normalised,
    point_piece,
)
from rewardsvc_verifiers.math.tree import Node

_SHAPES: Final = frozenset(
    {
        tree.INTERVAL, tree.UNION, tree.INTERSECTION, tree.SET_DIFFERENCE, tree.NUMBER_SET,
        tree.SET_BUILDER, tree.EMPTY_SET,
    }
)  # fmt: skip


def is_region(node: Node) -> bool:
    """Whether the notation can only mean a set of real numbers."""
    if node.kind in _SHAPES or _is_difference(node):
        return True
    if node.kind == tree.RELATION:
        return not set(node.name.split()) <= {"=", "~="}
    if node.kind == tree.LIST:
        return bool(node.args) and all(is_region(child) for child in node.args)
    return False


def _is_difference(node: Node) -> bool:
    """R - {0}: a set minus a set, written with a minus sign."""
    return (
        node.kind == tree.ADD
        and len(node.args) == 2
        and node.args[0].kind in (tree.NUMBER_SET, tree.INTERVAL)
        and node.args[1].kind == tree.NEGATE
        and node.args[1].args[0].kind == tree.SET
    )


def region(node: Node) -> Region:
    """The region that the tree describes. Raises NoRegion."""
    kind = node.kind
    if kind == tree.INTERVAL:
        return Region(interval_pieces(node.args, node.name))
    if kind == tree.TUPLE and len(node.args) == 2:
        return Region(interval_pieces(node.args, "()"))
    if kind == tree.EMPTY_SET:
        return Region(())
    if kind == tree.NUMBER_SET and node.name == "reals" and not node.args:
        return Region((REALS,))
    if kind == tree.SET:
        return Region(normalised([point_piece(child) for child in node.args]))
    if kind == tree.UNION:
        return _combine(node, union=True)
    if kind == tree.INTERSECTION:
        return _combine(node, union=False)
    if kind == tree.SET_DIFFERENCE:
        left, right = region(node.args[0]), region(_as_points(node.args[1]))
        return Region(intersection(left.pieces, complement(right.pieces)), left.variable)
    if _is_difference(node):
        return region(Node(tree.SET_DIFFERENCE, (node.args[0], node.args[1].args[0])))
    if kind == tree.RELATION:
        return _relation(node)
    if kind == tree.SET_BUILDER:
        return _builder(node)
    if kind == tree.LIST:
        return _list(node)
    raise NoRegion(kind)


def _as_points(node: Node) -> Node:
    if node.kind in (tree.NUMBER, tree.DECIMAL, tree.DIVIDE, tree.NEGATE, tree.ROOT):
        return Node(tree.SET, (node,))
    return node


def _combine(node: Node, union: bool) -> Region:
    left, right = (region(_as_points(child)) for child in node.args)
    variable = left.variable or right.variable
    if union:
        return Region(normalised([*left.pieces, *right.pieces]), variable)
    return Region(intersection(left.pieces, right.pieces), variable)


def _list(node: Node) -> Region:
    """Inequalities together: "or" unites, "and" intersects, a comma does what is not empty."""
    parts: list[Region] = []
    for child in node.args:
        if (
            child.kind == tree.RELATION
            and child.name == "in"
            and child.args[1].kind == tree.NUMBER_SET
            and child.args[1].name == "reals"
        ):
            continue
        parts.append(region(child))
    variables = {part.variable for part in parts if part.variable}
    if len(variables) > 1 or not parts:
        raise NoRegion("several variables")
    variable = variables.pop() if variables else ""
    united = normalised([piece for part in parts for piece in part.pieces])
    if node.name == "or":
        return Region(united, variable)
    common = parts[0].pieces
    for part in parts[1:]:
        common = intersection(common, part.pieces)
    if not common and node.name == "" and all(part.pieces for part in parts):
        return Region(united, variable)
    return Region(common, variable)


def _builder(node: Node) -> Region:
    element, condition = node.args
    if element.kind == tree.RELATION and element.name == "in":
        domain = element.args[1]
        element = element.args[0]
        if domain.kind != tree.NUMBER_SET or domain.name != "reals":
            raise NoRegion("a set over another domain")
    if element.kind != tree.SYMBOL:
        raise NoRegion("a set of expressions")
    found = region(condition)
    if found.variable and found.variable != element.name:
        raise NoRegion("a condition on another variable")
    return Region(found.pieces)


def _relation(node: Node) -> Region:
    """A chain of inequalities in one variable, or membership."""
    operators = node.name.split()
    if operators in (["in"], ["notin"]):
        variable, domain = node.args
        if variable.kind != tree.SYMBOL:
            raise NoRegion("membership of an expression")
        inside = region(domain)
        pieces = inside.pieces if operators == ["in"] else complement(inside.pieces)
        return Region(pieces, variable.name)
    names = tree.symbols(node)
    pieces = (REALS,)
    variable_name = ""
    for left, operator, right in zip(node.args, operators, node.args[1:], strict=False):
        part = solve_inequality(left, operator, right, names)
        variable_name = variable_name or part.variable
        if part.variable != variable_name:
            raise NoRegion("several variables")
        if len(operators) == 1:
            return part
        if is_symbolic(part.pieces) or is_symbolic(pieces):
            return _symbolic_chain(node, operators)
        pieces = intersection(pieces, part.pieces)
    return Region(pieces, variable_name)


def _symbolic_chain(node: Node, operators: list[str]) -> Region:
    """a < x <= b with letters for ends."""
    if len(node.args) != 3 or node.args[1].kind != tree.SYMBOL:
        raise NoRegion("a chain with symbolic ends")
    low, variable, high = node.args
    first, second = operators
    if first in (">", ">=") and second in (">", ">="):
        low, high, first, second = high, low, MIRROR[second], MIRROR[first]
    if first not in ("<", "<=") or second not in ("<", "<="):
        raise NoRegion("a chain in two directions")
    brackets = ("[" if first == "<=" else "(") + ("]" if second == "<=" else ")")
    return Region(interval_pieces((low, high), brackets), variable.name)
