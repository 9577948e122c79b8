"""Exact coefficients of a tree as a polynomial in one variable, over the rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.tree import Node, Rational

MAXIMUM_DEGREE: Final = 16
Polynomial = list[Rational]


def polynomial(node: Node, name: str) -> Polynomial | None:
    """Coefficients, lowest first, without trailing zeros; None when it is no such polynomial."""
    value = exact(node)
    if value is not None:
        return _trim([value])
    kind = node.kind
    if kind == tree.SYMBOL:
        return [0, 1] if node.name == name else None
    if kind == tree.NEGATE:
        inner = polynomial(node.args[0], name)
        return None if inner is None else [-c for c in inner]
    if kind in (tree.ADD, tree.MULTIPLY):
        result: Polynomial | None = [0] if kind == tree.ADD else [1]
        for child in node.args:
            part = polynomial(child, name)
            if part is None or result is None:
                return None
            result = _add(result, part) if kind == tree.ADD else _multiply(result, part)
        return result
    if kind == tree.DIVIDE:
        top = polynomial(node.args[0], name)
        bottom = exact(node.args[1])
        if top is None or not bottom:
            return None
        return [Fraction(c) / Fraction(bottom) for c in top]
    if kind == tree.POWER:
        exponent = exact(node.args[1])
        base = polynomial(node.args[0], name)
        if base is None or not isinstance(exponent, int) or not 0 <= exponent <= MAXIMUM_DEGREE:
            return None
        power: Polynomial | None = [1]
        for _ in range(exponent):
            power = None if power is None else _multiply(power, base)
        return power
    return None


def _trim(coefficients: Polynomial) -> Polynomial:
    while coefficients and coefficients[-1] == 0:
        coefficients.pop()
    return coefficients


def _add(first: Polynomial, second: Polynomial) -> Polynomial:
    length = max(len(first), len(second))
    padded = list(first) + [0] * (length - len(first))
    for index, coefficient in enumerate(second):
        padded[index] += coefficient
    return _trim(padded)


def _multiply(first: Polynomial, second: Polynomial) -> Polynomial | None:
    if len(first) + len(second) > MAXIMUM_DEGREE + 2:
        return None
    product: Polynomial = [0] * max(len(first) + len(second) - 1, 0)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            product[i + j] += a * b
    bits = max(
        (max(c.numerator.bit_length(), c.denominator.bit_length()) for c in product), default=0
    )
    return _trim(product) if bits < 4000 else None


def value_at(coefficients: Polynomial, point: Rational) -> Rational:
    """Horner's rule."""
    result: Rational = 0
    for coefficient in reversed(coefficients):
        result = result * point + coefficient
    return result
