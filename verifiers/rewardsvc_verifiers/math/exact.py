"""Exact rational value of a constant tree, bounded in bits; None when there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.tree import Node, Rational

MAXIMUM_BITS: Final = 20000
_MAXIMUM_FACTORIAL: Final = 1500
_MAXIMUM_BINOMIAL: Final = 4000


def exact(node: Node) -> Rational | None:
    """The rational number that the tree is, or None.

    None also stands for a division by zero and for values beyond `MAXIMUM_BITS`.
    Derived: every operation's result size is bounded before it is computed.
    """
    kind = node.kind
    if kind == tree.NUMBER or kind == tree.DECIMAL or kind == tree.BASE_N:
        return node.number
    rule = _RULES.get(kind)
    if rule is None:
        return None
    values: list[Rational] = []
    for child in node.args:
        value = exact(child)
        if value is None:
            return None
        values.append(value)
    result = rule(node, values)
    return None if result is None else simplified(result)


def simplified(value: Rational) -> Rational | None:
    """An int where the value is whole; None when it has grown too large."""
    if isinstance(value, int):
        return value if value.bit_length() <= MAXIMUM_BITS else None
    if value.denominator == 1:
        return simplified(value.numerator)
    if value.numerator.bit_length() > MAXIMUM_BITS or value.denominator.bit_length() > MAXIMUM_BITS:
        return None
    return value


def _add(node: Node, values: list[Rational]) -> Rational | None:
    total: Rational = 0
    for value in values:
        total += value
        if isinstance(total, Fraction) and total.denominator.bit_length() > MAXIMUM_BITS:
            return None
    return total


def _multiply(node: Node, values: list[Rational]) -> Rational | None:
    result: Rational | None = 1
    for value in values:
        if result is None:
            return None
        result = simplified(result * value)
    return result


def _divide(node: Node, values: list[Rational]) -> Rational | None:
    top, bottom = values
    return None if bottom == 0 else Fraction(top) / Fraction(bottom)


def power(base: Rational, exponent: Rational) -> Rational | None:
    """base ** exponent when it is rational and small enough; None also for 0 ** 0."""
    if isinstance(exponent, Fraction):
        if exponent.denominator > 64:
            return None
        root = exact_root(base, exponent.denominator)
        return None if root is None else power(root, exponent.numerator)
    if exponent == 0:
        return None if base == 0 else 1
    if base == 0:
        return 0 if exponent > 0 else None
    if base in (1, -1):
        return 1 if base == 1 or exponent % 2 == 0 else -1
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) > MAXIMUM_BITS or size * abs(exponent) > MAXIMUM_BITS + 64:
        return None
    return Fraction(base) ** exponent if exponent < 0 else base**exponent


def exact_root(value: Rational, degree: int) -> Rational | None:
    """The real root of that degree when it is rational, else None."""
    if degree < 1:
        return None
    if degree == 1:
        return value
    if value < 0:
        if degree % 2 == 0:
            return None
        positive = exact_root(-value, degree)
        return None if positive is None else -positive
    top = _integer_root(value.numerator, degree)
    bottom = _integer_root(value.denominator, degree)
    if top is None or bottom is None:
        return None
    return top if bottom == 1 else Fraction(top, bottom)


def _integer_root(value: int, degree: int) -> int | None:
    if value in (0, 1):
        return value
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    if value.bit_length() < degree or value.bit_length() > 4000:
        return None
    low, high = 1, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**degree < value:
            low = middle + 1
        else:
            high = middle
    return low if low**degree == value else None


def _root(node: Node, values: list[Rational]) -> Rational | None:
    radicand, degree = values
    if not isinstance(degree, int) or not 1 <= degree <= 64:
        return None
    return exact_root(radicand, degree)


def _factorial(node: Node, values: list[Rational]) -> Rational | None:
    value = values[0]
    if not isinstance(value, int) or not 0 <= value <= _MAXIMUM_FACTORIAL:
        return None
    return math.factorial(value)


def _function(node: Node, values: list[Rational]) -> Rational | None:
    name = node.name
    if name == "floor":
        return math.floor(values[0])
    if name == "ceil":
        return math.ceil(values[0])
    if name == "max":
        return max(values)
    if name == "min":
        return min(values)
    whole = [value for value in values if isinstance(value, int)]
    if len(whole) != len(values):
        return None
    if name == "gcd":
        return math.gcd(*whole)
    if name == "lcm":
        return math.lcm(*whole)
    if name == "binom" and len(whole) == 2:
        top, bottom = whole
        if 0 <= top <= _MAXIMUM_BINOMIAL and bottom >= 0:
            return math.comb(top, bottom)
    return None


_Rule = Callable[[Node, list[Rational]], Rational | None]
_RULES: Final[dict[str, _Rule]] = {
    tree.ADD: _add,
    tree.MULTIPLY: _multiply,
    tree.DIVIDE: _divide,
    tree.POWER: lambda node, values: power(values[0], values[1]),
    tree.NEGATE: lambda node, values: -values[0],
    tree.ROOT: _root,
    tree.ABSOLUTE: lambda node, values: abs(values[0]),
    tree.FACTORIAL: _factorial,
    tree.FUNCTION: _function,
    tree.PERCENT: lambda node, values: Fraction(values[0]) / 100,
    tree.MIXED: lambda node, values: values[0] + values[1],
}
