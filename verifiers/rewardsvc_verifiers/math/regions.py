"""Sets of real numbers: intervals, inequalities, unions, set-builder notation, made alike.

An inequality in one variable is solved when it is polynomial (linear exactly, quadratic with
surds, higher degrees by isolated roots) or a bound on an absolute value. What cannot be
turned into a region stays undecided.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from flint import arb, fmpq, fmpq_poly

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact, exact_root
from rewardsvc_verifiers.math.identity import enclosure
from rewardsvc_verifiers.math.polynomials import polynomial, value_at
from rewardsvc_verifiers.math.scalars import infinity_sign
from rewardsvc_verifiers.math.tree import Node

_INEQUALITIES: Final = frozenset({"<", ">", "<=", ">="})
_MIRROR: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
MAXIMUM_PIECES: Final = 64


class Piece(NamedTuple):
    """One interval; `order` values are floats, infinite ends included."""

    low: Node
    high: Node
    low_closed: bool
    high_closed: bool
    low_order: float
    high_order: float


class Region(NamedTuple):
    """Sorted disjoint pieces, and the variable named, if any."""

    pieces: tuple[Piece, ...]
    variable: str = ""


class NoRegion(Exception):
    """The tree is no set of real numbers that this module understands."""


_REALS: Final = Piece(
    tree.negate(tree.INFINITY), tree.INFINITY, False, False, float("-inf"), float("inf")
)
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
        return Region(_interval(node.args, node.name))
    if kind == tree.TUPLE and len(node.args) == 2:
        return Region(_interval(node.args, "()"))
    if kind == tree.EMPTY_SET:
        return Region(())
    if kind == tree.NUMBER_SET and node.name == "reals" and not node.args:
        return Region((_REALS,))
    if kind == tree.SET:
        return Region(_normal([_point(child) for child in node.args]))
    if kind == tree.UNION:
        return _combine(node, union=True)
    if kind == tree.INTERSECTION:
        return _combine(node, union=False)
    if kind == tree.SET_DIFFERENCE:
        left, right = region(node.args[0]), region(_as_points(node.args[1]))
        return Region(_intersect(left.pieces, _complement(right.pieces)), left.variable)
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


def _order(node: Node) -> float:
    sign = infinity_sign(node)
    if sign is not None:
        return sign * float("inf")
    value = exact(node)
    if value is not None:
        try:
            return float(value)
        except OverflowError:
            raise NoRegion("an end too large") from None
    if tree.symbols(node):
        return float("nan")
    ball = enclosure(node)
    if ball is None or not ball.imag.contains(0):
        raise NoRegion("an end without a real value")
    return float(ball.real)


def _interval(ends: tuple[Node, ...], brackets: str) -> tuple[Piece, ...]:
    low, high = ends
    low_order, high_order = _order(low), _order(high)
    low_closed = brackets[0] == "[" and abs(low_order) != float("inf")
    high_closed = brackets[1] == "]" and abs(high_order) != float("inf")
    if low_order > high_order or (
        low_order == high_order and not (low_closed and high_closed) and _same_end(low, high)
    ):
        return ()
    return (Piece(low, high, low_closed, high_closed, low_order, high_order),)


def _point(node: Node) -> Piece:
    order = _order(node)
    if abs(order) == float("inf"):
        raise NoRegion("infinity is no element")
    return Piece(node, node, True, True, order, order)


def _same_end(first: Node, second: Node) -> bool:
    if first == second:
        return True
    a, b = exact(first), exact(second)
    if a is not None and b is not None:
        return a == b
    from rewardsvc_verifiers.math import identity

    try:
        return identity.same(first, second).equal is True
    except tree.LimitExceeded:
        raise NoRegion("ends too large to compare") from None


def _symbolic(pieces: tuple[Piece, ...] | list[Piece]) -> bool:
    return any(p.low_order != p.low_order or p.high_order != p.high_order for p in pieces)


def _normal(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Sorted and merged."""
    if len(pieces) > MAXIMUM_PIECES:
        raise NoRegion("too many pieces")
    if _symbolic(pieces):
        return tuple(pieces)
    ordered = sorted(pieces, key=lambda p: (p.low_order, not p.low_closed))
    merged: list[Piece] = []
    for piece in ordered:
        if merged and _touches(merged[-1], piece):
            merged[-1] = _joined(merged[-1], piece)
        else:
            merged.append(piece)
    return tuple(merged)


def _touches(first: Piece, second: Piece) -> bool:
    if second.low_order < first.high_order:
        return True
    if second.low_order > first.high_order:
        return False
    return (first.high_closed or second.low_closed) and _same_end(first.high, second.low)


def _joined(first: Piece, second: Piece) -> Piece:
    low_closed = first.low_closed or (second.low_closed and second.low_order == first.low_order)
    if second.high_order > first.high_order:
        high, closed, order = second.high, second.high_closed, second.high_order
    else:
        high, order = first.high, first.high_order
        closed = first.high_closed or (second.high_closed and second.high_order == first.high_order)
    return Piece(first.low, high, low_closed, closed, first.low_order, order)


def _complement(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    if _symbolic(pieces):
        raise NoRegion("the complement of a symbolic interval")
    gaps: list[Piece] = []
    low, low_closed, low_order = _REALS.low, False, float("-inf")
    for piece in _normal(list(pieces)):
        if piece.low_order > low_order or (
            piece.low_order == low_order and low_closed and not piece.low_closed
        ):
            gaps.append(
                Piece(low, piece.low, low_closed, not piece.low_closed, low_order, piece.low_order)
            )
        low, low_closed, low_order = piece.high, not piece.high_closed, piece.high_order
    if low_order < float("inf"):
        gaps.append(Piece(low, _REALS.high, low_closed, False, low_order, float("inf")))
    return tuple(
        gap._replace(
            low_closed=gap.low_closed and gap.low_order != float("-inf"),
            high_closed=gap.high_closed and gap.high_order != float("inf"),
        )
        for gap in gaps
    )


def _intersect(first: tuple[Piece, ...], second: tuple[Piece, ...]) -> tuple[Piece, ...]:
    if _symbolic(first) or _symbolic(second):
        raise NoRegion("the intersection of symbolic intervals")
    found: list[Piece] = []
    if len(first) * len(second) > MAXIMUM_PIECES**2:
        raise NoRegion("too many pieces")
    for a in first:
        for b in second:
            if a.low_order > b.low_order or (a.low_order == b.low_order and not a.low_closed):
                low, low_closed, low_order = a.low, a.low_closed, a.low_order
            else:
                low, low_closed, low_order = b.low, b.low_closed, b.low_order
            if a.high_order < b.high_order or (a.high_order == b.high_order and not a.high_closed):
                high, high_closed, high_order = a.high, a.high_closed, a.high_order
            else:
                high, high_closed, high_order = b.high, b.high_closed, b.high_order
            if low_order < high_order or (low_order == high_order and low_closed and high_closed):
                found.append(Piece(low, high, low_closed, high_closed, low_order, high_order))
    return _normal(found)


def _combine(node: Node, union: bool) -> Region:
    left, right = (region(_as_points(child)) for child in node.args)
    variable = left.variable or right.variable
    if union:
        return Region(_normal([*left.pieces, *right.pieces]), variable)
    return Region(_intersect(left.pieces, right.pieces), variable)


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
    united = _normal([piece for part in parts for piece in part.pieces])
    if node.name == "or":
        return Region(united, variable)
    common = parts[0].pieces
    for part in parts[1:]:
        common = _intersect(common, part.pieces)
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
        pieces = inside.pieces if operators == ["in"] else _complement(inside.pieces)
        return Region(pieces, variable.name)
    names = tree.symbols(node)
    pieces = (_REALS,)
    variable_name = ""
    for left, operator, right in zip(node.args, operators, node.args[1:], strict=False):
        part = _inequality(left, operator, right, names)
        variable_name = variable_name or part.variable
        if part.variable != variable_name:
            raise NoRegion("several variables")
        if len(operators) == 1:
            return part
        if _symbolic(part.pieces) or _symbolic(pieces):
            return _symbolic_chain(node, operators)
        pieces = _intersect(pieces, part.pieces)
    return Region(pieces, variable_name)


def _symbolic_chain(node: Node, operators: list[str]) -> Region:
    """a < x <= b with letters for ends."""
    if len(node.args) != 3 or node.args[1].kind != tree.SYMBOL:
        raise NoRegion("a chain with symbolic ends")
    low, variable, high = node.args
    first, second = operators
    if first in (">", ">=") and second in (">", ">="):
        low, high, first, second = high, low, _MIRROR[second], _MIRROR[first]
    if first not in ("<", "<=") or second not in ("<", "<="):
        raise NoRegion("a chain in two directions")
    brackets = ("[" if first == "<=" else "(") + ("]" if second == "<=" else ")")
    return Region(_interval((low, high), brackets), variable.name)


def _inequality(left: Node, operator: str, right: Node, names: frozenset[str]) -> Region:
    if operator == "!=":
        points = _solutions(left, right, names)
        return Region(_complement(points.pieces), points.variable)
    if operator == "=":
        return _solutions(left, right, names)
    if operator not in _INEQUALITIES:
        raise NoRegion(operator)
    if left.kind == tree.SYMBOL and left.name not in tree.symbols(right):
        return Region(_ray(operator, right), left.name)
    if right.kind == tree.SYMBOL and right.name not in tree.symbols(left):
        return Region(_ray(_MIRROR[operator], left), right.name)
    if len(names) != 1:
        raise NoRegion("several variables")
    name = next(iter(names))
    bounded = _absolute(left, operator, right, name)
    if bounded is None:
        bounded = _absolute(right, _MIRROR[operator], left, name)
    if bounded is not None:
        return Region(bounded, name)
    return Region(_polynomial_inequality(left, operator, right, name), name)


def _ray(operator: str, end: Node) -> tuple[Piece, ...]:
    order = _order(end)
    closed = operator in ("<=", ">=")
    if operator in ("<", "<="):
        return (Piece(_REALS.low, end, False, closed, float("-inf"), order),)
    return (Piece(end, _REALS.high, closed, False, order, float("inf")),)


def _absolute(left: Node, operator: str, right: Node, name: str) -> tuple[Piece, ...] | None:
    """|p(x)| < c and |p(x)| > c for a constant c."""
    if left.kind != tree.ABSOLUTE or name in tree.symbols(right):
        return None
    inner = left.args[0]
    below = operator in ("<", "<=")
    closed = operator in ("<=", ">=")
    first = (
        _polynomial_inequality(inner, "<=" if closed else "<", right, name)
        if below
        else (_polynomial_inequality(inner, operator, right, name))
    )
    minus = tree.negate(right)
    second = _polynomial_inequality(inner, _MIRROR[operator], minus, name)
    if below:
        return _intersect(first, second)
    return _normal([*first, *second])


def _solutions(left: Node, right: Node, names: frozenset[str]) -> Region:
    """The real solutions of an equation, as points."""
    if left.kind == tree.SYMBOL and not tree.symbols(right):
        return Region((_point(right),), left.name)
    if right.kind == tree.SYMBOL and not tree.symbols(left):
        return Region((_point(left),), right.name)
    if len(names) != 1:
        raise NoRegion("several variables")
    name = next(iter(names))
    coefficients = polynomial(tree.subtract(left, right), name)
    if coefficients is None or len(coefficients) < 2:
        raise NoRegion("an equation that is not polynomial")
    roots = real_roots(coefficients)
    return Region(_normal([_point(root) for root in roots]), name)


def _polynomial_inequality(left: Node, operator: str, right: Node, name: str) -> tuple[Piece, ...]:
    difference = tree.subtract(left, right)
    coefficients = polynomial(difference, name)
    if coefficients is None:
        return _linear_with_surds(difference, operator, name)
    closed = operator in ("<=", ">=")
    want_positive = operator in (">", ">=")
    if len(coefficients) <= 1:
        value = coefficients[0] if coefficients else 0
        holds = (value > 0) == want_positive if value else closed
        return (_REALS,) if holds else ()
    roots = real_roots(coefficients)
    ends = [_REALS.low, *roots, _REALS.high]
    orders = [float("-inf"), *(_order(root) for root in roots), float("inf")]
    pieces: list[Piece] = []
    for index in range(len(ends) - 1):
        low, high = orders[index], orders[index + 1]
        sample = value_at(coefficients, _between(low, high))
        if (sample > 0) == want_positive and sample != 0:
            pieces.append(
                Piece(
                    ends[index], ends[index + 1],
                    closed and index > 0, closed and index < len(roots), low, high,
                )
            )  # fmt: skip
    if closed:
        pieces.extend(_point(root) for root in roots)
    return _normal(pieces)


def _linear_with_surds(difference: Node, operator: str, name: str) -> tuple[Piece, ...]:
    """a x + b < 0 where b holds surds or constants such as pi."""
    at_zero = tree.substitute(difference, name, tree.ZERO)
    at_one = tree.substitute(difference, name, tree.ONE)
    slope = exact_difference(at_one, at_zero)
    at_two = tree.substitute(difference, name, tree.integer(2))
    if slope is None or slope == 0 or exact_difference(at_two, at_one) != slope:
        raise NoRegion("an inequality that is not polynomial")
    end = Node(tree.DIVIDE, (tree.negate(at_zero), tree.integer(slope)))
    return _ray(operator if slope > 0 else _MIRROR[operator], end)


def exact_difference(first: Node, second: Node) -> tree.Rational | None:
    """first - second where equal irrational summands cancel; None when they do not."""
    terms = list(first.args) if first.kind == tree.ADD else [first]
    others = list(second.args) if second.kind == tree.ADD else [second]
    for term in list(terms):
        if term in others:
            terms.remove(term)
            others.remove(term)
    left = exact(Node(tree.ADD, tuple(terms))) if terms else 0
    right = exact(Node(tree.ADD, tuple(others))) if others else 0
    return None if left is None or right is None else left - right


def _between(low: float, high: float) -> Fraction:
    if low == float("-inf"):
        return Fraction(0) if high == float("inf") else Fraction(high) - 1
    if high == float("inf"):
        return Fraction(low) + 1
    return (Fraction(low) + Fraction(high)) / 2


def real_roots(coefficients: list[tree.Rational]) -> list[Node]:
    """Distinct real roots, ascending: exact where rational or quadratic, else as decimals.

    Roots of higher degree that are not rational raise NoRegion: no exact notation for them.
    """
    poly = fmpq_poly([fmpq(c.numerator, c.denominator) for c in coefficients])
    roots: list[tuple[float, Node]] = []
    for factor, _ in poly.factor()[1]:
        parts = [factor[index] for index in range(factor.degree() + 1)]
        values = [Fraction(int(part.p), int(part.q)) for part in map(fmpq, parts)]
        if factor.degree() == 1:
            roots.append(_ordered(tree.integer(_whole(-values[0] / values[1]))))
        elif factor.degree() == 2:
            c, b, a = values
            discriminant = b * b - 4 * a * c
            if discriminant < 0:
                continue
            for sign in (-1, 1):
                surd = _surd(discriminant)
                top = Node(
                    tree.ADD, (tree.integer(_whole(-b)), surd if sign > 0 else tree.negate(surd))
                )
                roots.append(_ordered(Node(tree.DIVIDE, (top, tree.integer(_whole(2 * a))))))
        elif any(root.imag.contains(0) for root, _ in factor.complex_roots()):
            raise NoRegion("roots without a closed form")
    return [node for _, node in sorted(roots, key=lambda pair: pair[0])]


def _ordered(node: Node) -> tuple[float, Node]:
    return _order(node), node


def _whole(value: Fraction) -> tree.Rational:
    return value.numerator if value.denominator == 1 else value


def _surd(value: Fraction) -> Node:
    root = exact_root(_whole(value), 2)
    if root is not None:
        return tree.integer(root)
    return Node(tree.ROOT, (tree.integer(_whole(value)), tree.integer(2)))


def as_ball(value: tree.Rational) -> arb:
    """The ball around a rational number."""
    return arb(fmpq(value.numerator, value.denominator))
