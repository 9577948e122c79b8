"""Numbers and letters as they are written: decimals, repeating decimals, base n."""

from __future__ import annotations

from fractions import Fraction

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics


def number(text: str) -> Node:
    """A literal: an integer, or a decimal that remembers how it was written."""
    if text.isdigit():
        return Node(tree.NUMBER, (), "", int(text))
    _mantissa, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > tree.MAXIMUM_DIGITS:
        raise LimitExceeded("an exponent too large")
    value: tree.Rational = Fraction(text)
    if value.denominator == 1:
        value = int(value)
    return Node(tree.DECIMAL, (), text.lower(), value)


def repeating(text: str) -> Node:
    """`0.1(6)` as the fraction it is."""
    whole, _, rest = text.partition(".")
    fixed, _, period = rest.rstrip(")").partition("(")
    scale = 10 ** len(fixed)
    nines = 10 ** len(period) - 1
    value: tree.Rational = Fraction(int(whole + fixed), scale) + Fraction(
        int(period), scale * nines
    )
    if value.denominator == 1:
        value = int(value)
    return tree.integer(value)


def base_n(digits: str, base: int) -> Node:
    """A number written in base 2 to 36; its name keeps the digits and the base."""
    if not 2 <= base <= 36:
        raise NotMathematics("no such base")
    try:
        value = int(digits, base)
    except ValueError:
        raise NotMathematics(f"{digits} is not a number in base {base}") from None
    return Node(tree.BASE_N, (), f"{digits.upper()}_{base}", value)


def digits_of(node: Node) -> str | None:
    """The digits that a base subscript applies to: 1011, or A3F read as letters and numbers."""
    if node.kind == tree.NUMBER and isinstance(node.number, int) and node.number >= 0:
        return str(node.number)
    if node.kind == tree.TEXT:
        return node.name
    return None


def letter(name: str) -> Node:
    """A single letter: e and i are constants, the rest are variables."""
    if name == "e":
        return tree.EULER
    if name == "i":
        return tree.IMAGINARY
    if name == "∞":
        return tree.INFINITY
    return tree.symbol(name)


def is_proper_fraction(node: Node) -> bool:
    """Whether the tree is a written fraction between 0 and 1."""
    if node.kind != tree.DIVIDE:
        return False
    top, bottom = node.args
    return (
        top.kind == tree.NUMBER
        and bottom.kind == tree.NUMBER
        and isinstance(top.number, int)
        and isinstance(bottom.number, int)
        and 0 < top.number < bottom.number
    )
