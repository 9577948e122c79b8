"""When does a rounded decimal stand for the exact value? By significant digits, relative.

The reference decides the precision: a decimal reference of s significant digits accepts a
more precise answer that rounds to it. An exact reference without a finite decimal form
accepts a decimal of enough digits that is its correct rounding. Nothing is absolute:
1e-20 and 1e-19 differ, and 0 is no rounding of 1.6e-19.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from flint import acb, arb, fmpq

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.balls import is_real
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.identity import enclosure
from rewardsvc_verifiers.math.policy import MathPolicy
from rewardsvc_verifiers.math.tree import Node, Rational

_SCIENTIFIC_DIGITS: Final = 2
_NOISE_DIGITS: Final = 12
_LONG_EXPANSION: Final = 6


class Literal(NamedTuple):
    """A decimal as written: value, significant digits, half of its last place."""

    value: Fraction
    digits: int
    half_place: Fraction
    scientific: bool


def literal(node: Node) -> Literal | None:
    """The decimal that the tree is a notation of, or None."""
    if node.kind == tree.NEGATE:
        inner = literal(node.args[0])
        return None if inner is None else inner._replace(value=-inner.value)
    if node.kind == tree.PERCENT:
        inner = literal(node.args[0])
        if inner is None:
            return None
        return inner._replace(value=inner.value / 100, half_place=inner.half_place / 100)
    if node.kind == tree.DECIMAL and node.number is not None:
        mantissa, _, exponent = node.name.partition("e")
        whole, _, part = mantissa.partition(".")
        digits = len((whole + part).lstrip("0"))
        place = Fraction(10) ** (int(exponent or 0) - len(part))
        return Literal(Fraction(node.number), digits, place / 2, bool(exponent))
    if node.kind == tree.MULTIPLY and len(node.args) == 2:
        mantissa_node, scale = node.args
        if scale.kind == tree.POWER and scale.args[0] == tree.integer(10):
            factor = exact(scale)
            inner = literal(mantissa_node)
            if factor is not None and inner is not None:
                return Literal(
                    inner.value * factor, inner.digits, inner.half_place * Fraction(factor), True
                )
        elif scale.kind == tree.NUMBER and scale.number in (10**3, 10**6, 10**9, 10**12):
            inner = literal(mantissa_node)
            if inner is not None:
                factor = Fraction(scale.number or 1)
                return Literal(inner.value * factor, inner.digits, inner.half_place * factor, True)
    return None


def _expansion_digits(value: Rational) -> int | None:
    """Significant digits of the finite decimal expansion, or None when it has none."""
    denominator = value.denominator
    twos = fives = 0
    while denominator % 2 == 0:
        denominator //= 2
        twos += 1
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    if denominator != 1:
        return None
    places = max(twos, fives)
    if places > 400:
        return None
    whole = abs(value.numerator) * 10**places // value.denominator
    return len(str(whole).rstrip("0")) if whole < 10**400 else None


def rounds_to(
    reference: Node, answer: Node, policy: MathPolicy, scale: Rational = 1
) -> bool | None:
    """Whether one is an accepted rounding of the other.

    `scale` converts the answer to the reference's unit. True: accepted; False: shown not to
    be; None: the rule does not apply (neither is a decimal).
    """
    written = literal(reference)
    answered = literal(answer)
    if written is None and answered is None:
        return None
    if written is not None and written.value != 0:
        if _answer_rounds_to(written, answer, answered, policy, scale):
            return True
        if written is not None and answered is not None:
            return _noise(written.value, answered, scale)
        return False
    if answered is not None and scale == 1:
        return _reference_rounds_to(reference, answered, policy)
    return False


def _answer_rounds_to(
    written: Literal, answer: Node, answered: Literal | None, policy: MathPolicy, scale: Rational
) -> bool:
    value = exact(answer)
    finite = answered is not None
    if value is not None:
        value = value * scale
        expansion = _expansion_digits(value)
        if expansion is not None:
            finite = True
            if answered is None and expansion <= written.digits:
                return False
        if answered is not None and answered.digits <= written.digits and scale == 1:
            return False
    needed = policy.rounding_digits if finite else policy.rounding_digits_exact
    if needed == 0:
        return False
    if written.scientific:
        needed = min(needed, _SCIENTIFIC_DIGITS)
    if written.digits < needed:
        return False
    if value is not None:
        return abs(value - written.value) <= written.half_place
    ball = _real_ball(answer)
    if ball is None:
        return False
    distance = abs(ball * _arb(scale) - _arb(written.value))
    return bool(distance <= _arb(written.half_place))


def _noise(value: Rational, answered: Literal, scale: Rational) -> bool:
    """Whether a long decimal is the value up to floating-point noise."""
    if answered.digits < _NOISE_DIGITS:
        return False
    return abs(answered.value * scale - value) <= abs(Fraction(value)) / 10**11


def _reference_rounds_to(reference: Node, answered: Literal, policy: MathPolicy) -> bool:
    value = exact(reference)
    if value is not None:
        if value.denominator == 1:
            return value != 0 and _noise(value, answered, 1)
        if _noise(value, answered, 1):
            return True
        expansion = _expansion_digits(value)
        if expansion is not None and expansion <= _LONG_EXPANSION:
            return False
    if policy.response_digits == 0 or answered.digits < policy.response_digits:
        return False
    if value is not None:
        return abs(value - answered.value) <= answered.half_place
    ball = _real_ball(reference)
    if ball is None:
        return False
    return bool(abs(ball - _arb(answered.value)) <= _arb(answered.half_place))


def _arb(value: Rational) -> arb:
    return arb(fmpq(value.numerator, value.denominator))


def _real_ball(node: Node) -> arb | None:
    value: acb | None = enclosure(node)
    if value is None:
        return None
    if is_real(value) or value.imag.abs_upper() < 1e-30:
        return value.real
    return None
