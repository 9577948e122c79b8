"""Solve inequalities and equations in one variable: linear, polynomial, absolute values."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from flint import fmpq, fmpq_poly

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact, exact_root
from rewardsvc_verifiers.math.intervals import (
    REALS,
    NoRegion,
    Piece,
    Region,
    complement,
    intersection,
    normalised,
    order_of,
    point_piece,
)
from rewardsvc_verifiers.math.polynomials import polynomial, value_at
from rewardsvc_verifiers.math.tree import Node

_INEQUALITIES: Final = frozenset({"<", ">", "<=", ">="})
MIRROR: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def solve_inequality(left: Node, operator: str, right: Node, names: frozenset[str]) -> Region:
    if operator == "!=":
        points = _solutions(left, right, names)
        return Region(complement(points.pieces), points.variable)
    if operator == "=":
        return _solutions(left, right, names)
    if operator not in _INEQUALITIES:
        raise NoRegion(operator)
    if left.kind == tree.SYMBOL and left.name not in tree.symbols(right):
        return Region(_ray(operator, right), left.name)
    if right.kind == tree.SYMBOL and right.name not in tree.symbols(left):
        return Region(_ray(MIRROR[operator], left), right.name)
    if len(names) != 1:
        raise NoRegion("several variables")
    name = next(iter(names))
    bounded = _absolute(left, operator, right, name)
    if bounded is None:
        bounded = _absolute(right, MIRROR[operator], left, name)
    if bounded is not None:
        return Region(bounded, name)
    return Region(_polynomial_inequality(left, operator, right, name), name)


def _ray(operator: str, end: Node) -> tuple[Piece, ...]:
    order = order_of(end)
    closed = operator in ("<=", ">=")
    if operator in ("<", "<="):
        return (Piece(REALS.low, end, False, closed, float("-inf"), order),)
    return (Piece(end, REALS.high, closed, False, order, float("inf")),)


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
    second = _polynomial_inequality(inner, MIRROR[operator], minus, name)
    if below:
        return intersection(first, second)
    return normalised([*first, *second])


def _solutions(left: Node, right: Node, names: frozenset[str]) -> Region:
    """The real solutions of an equation, as points."""
    if left.kind == tree.SYMBOL and not tree.symbols(right):
        return Region((point_piece(right),), left.name)
    if right.kind == tree.SYMBOL and not tree.symbols(left):
        return Region((point_piece(left),), right.name)
    if len(names) != 1:
        raise NoRegion("several variables")
    name = next(iter(names))
    coefficients = polynomial(tree.subtract(left, right), name)
    if coefficients is None or len(coefficients) < 2:
        raise NoRegion("an equation that is not polynomial")
    roots = real_roots(coefficients)
    return Region(normalised([point_piece(root) for root in roots]), name)


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
        return (REALS,) if holds else ()
    roots = real_roots(coefficients)
    ends = [REALS.low, *roots, REALS.high]
    orders = [float("-inf"), *(order_of(root) for root in roots), float("inf")]
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
        pieces.extend(point_piece(root) for root in roots)
    return normalised(pieces)


def _linear_with_surds(difference: Node, operator: str, name: str) -> tuple[Piece, ...]:
    """a x + b < 0 where b holds surds or constants such as pi."""
    at_zero = tree.substitute(difference, name, tree.ZERO)
    at_one = tree.substitute(difference, name, tree.ONE)
    slope = exact_difference(at_one, at_zero)
    at_two = tree.substitute(difference, name, tree.integer(2))
    if slope is None or slope == 0 or exact_difference(at_two, at_one) != slope:
        raise NoRegion("an inequality that is not polynomial")
    end = Node(tree.DIVIDE, (tree.negate(at_zero), tree.integer(slope)))
    return _ray(operator if slope > 0 else MIRROR[operator], end)


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
        elif _has_real_root(factor.complex_roots()):
            raise NoRegion("roots without a closed form")
    return [node for _, node in sorted(roots, key=lambda pair: pair[0])]


def _has_real_root(found: Any) -> bool:
    """Whether one of the (root, multiplicity) pairs may be real."""
    return any(root.imag.contains(0) for root, _ in found)


def _ordered(node: Node) -> tuple[float, Node]:
    return order_of(node), node


def _whole(value: Fraction) -> tree.Rational:
    return value.numerator if value.denominator == 1 else value


def _surd(value: Fraction) -> Node:
    root = exact_root(_whole(value), 2)
    if root is not None:
        return tree.integer(root)
    return Node(tree.ROOT, (tree.integer(_whole(value)), tree.integer(2)))
