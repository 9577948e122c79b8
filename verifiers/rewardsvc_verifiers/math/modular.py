"""Evaluate a tree at a random point of a prime field: exact identity testing in microseconds.

Two rational functions that differ at one point differ; two that agree at random points of a
field of 2**61 elements are equal but for a probability of at most degree / 2**61 a point
(Schwartz 1980, Zippel 1979). Powers of any integer exponent cost one `pow`, so that
(1 + x)**100000 is as cheap as x. Values of sine, logarithm, roots and so on are opaque: the
same function of the same argument is the same unknown, nothing more is assumed, so agreement
still proves equality but a difference proves nothing.

One point decides; a second stands by in case the first is a pole. Primes and points are drawn
once per process from the operating system, so that no text can be written to collide with them.
"""

from __future__ import annotations

import secrets
from fractions import Fraction
from typing import Final

from flint import fmpz

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.tree import LimitExceeded, Node

MAXIMUM_STEPS: Final = 4000
_OPAQUE_KINDS: Final = frozenset({tree.ABSOLUTE, tree.FACTORIAL, tree.FUNCTION, tree.LOGARITHM})


class Undefined(ArithmeticError):
    """A division by zero at this point, or a form without a value in a field."""


def _random_prime() -> int:
    """A random prime of 61 bits that is 1 modulo 4, so that -1 has a square root."""
    while True:
        candidate = secrets.randbits(61) | (1 << 60) | 1
        if candidate % 4 == 1 and fmpz(candidate).is_prime():
            return candidate


def _square_root_of_minus_one(prime: int) -> int:
    while True:
        root = pow(secrets.randbelow(prime - 2) + 1, (prime - 1) // 4, prime)
        if root * root % prime == prime - 1:
            return root


class Point:
    """One prime, and one random value for every name."""

    def __init__(self) -> None:
        self.prime = _random_prime()
        self.imaginary = _square_root_of_minus_one(self.prime)
        self.secret = secrets.randbits(61)

    def value_of(self, name: object) -> int:
        """The random value that stands for a name, the same for the life of the process."""
        return (hash((name, self.secret)) ^ self.secret) % self.prime


POINTS: Final = (Point(), Point())


class Evaluation:
    """One evaluation: counts its steps and remembers whether anything was opaque."""

    def __init__(self, point: Point, budget: int = MAXIMUM_STEPS) -> None:
        self.point = point
        self.opaque = False
        self.transcendental = False
        self.budget = budget

    def value(self, node: Node) -> int:
        """The value in the field. Raises Undefined or LimitExceeded."""
        self.budget -= 1
        if self.budget < 0:
            raise LimitExceeded("the expression takes too many steps")
        kind = node.kind
        prime = self.point.prime
        if kind == tree.NUMBER or kind == tree.DECIMAL:
            return self.rational(node.number)
        if kind == tree.SYMBOL:
            return self.point.value_of(node.name)
        if kind == tree.ADD:
            return sum(self.value(child) for child in node.args) % prime
        if kind == tree.MULTIPLY:
            result = 1
            for child in node.args:
                result = result * self.value(child) % prime
            return result
        if kind == tree.NEGATE:
            return -self.value(node.args[0]) % prime
        if kind == tree.DIVIDE:
            return self.value(node.args[0]) * self.inverse(self.value(node.args[1])) % prime
        if kind == tree.POWER:
            return self.power(node)
        if kind == tree.CONSTANT:
            return self.constant(node.name)
        if kind == tree.ROOT:
            degree = self.inverse(self.value(node.args[1]))
            return self.unknown("power", self.value(node.args[0]), degree)
        if kind in _OPAQUE_KINDS:
            values = tuple(self.value(child) for child in node.args)
            return self.unknown(kind, node.name, values)
        if kind == tree.MIXED:
            return (self.value(node.args[0]) + self.value(node.args[1])) % prime
        if kind == tree.PERCENT:
            return self.value(node.args[0]) * self.inverse(100) % prime
        if kind == tree.DEGREE:
            pi = self.constant("pi")
            return self.value(node.args[0]) * pi * self.inverse(180) % prime
        if kind == tree.BASE_N:
            return self.rational(node.number)
        raise Undefined(f"no value in a field: {kind}")

    def rational(self, number: tree.Rational | None) -> int:
        if number is None:
            raise Undefined("no number")
        prime = self.point.prime
        if isinstance(number, int):
            return number % prime
        return number.numerator * self.inverse(number.denominator) % prime

    def inverse(self, value: int) -> int:
        if value % self.point.prime == 0:
            raise Undefined("division by zero")
        return pow(value, -1, self.point.prime)

    def constant(self, name: str) -> int:
        if name == "i":
            return self.point.imaginary
        if name == "infinity":
            raise Undefined("infinity")
        self.transcendental = True
        return self.point.value_of(("constant", name))

    def unknown(self, *key: object) -> int:
        """The unknown that stands for a function's value."""
        self.opaque = True
        return self.point.value_of(key)

    def power(self, node: Node) -> int:
        base_node, exponent_node = node.args
        prime = self.point.prime
        exponent = exact(exponent_node)
        if isinstance(exponent, int):
            base = self.value(base_node)
            if base == 0:
                if exponent <= 0:
                    raise Undefined("zero to a power that is not positive")
                return 0
            return pow(base, exponent % (prime - 1), prime)
        base = self.value(base_node)
        if isinstance(exponent, Fraction):
            return self.unknown("power", base, self.rational(exponent))
        return self.unknown("power", base, self.value(exponent_node))


def compare(left: Node, right: Node) -> tuple[bool, bool] | None:
    """(equal, decisive) of two expressions, or None when a point gives no value.

    `decisive` is False when a difference may come from opaque values only. Raises
    LimitExceeded.
    """
    for point in POINTS:
        first = Evaluation(point)
        second = Evaluation(point)
        try:
            equal = first.value(left) == second.value(right)
        except Undefined:
            continue  # a pole at this point: the other one decides
        return equal, not (first.opaque or second.opaque)
    return None


def proportional(left: Node, right: Node, factor: Fraction | None = None) -> bool | None:
    """Whether left = c * right for one nonzero constant c, as rational functions.

    Evaluates both at pairs of points that share a prime: the ratio must not depend on the
    point. None when opaque or undefined values leave it open.
    """
    ratios: list[tuple[int, int]] = []
    base = POINTS[0]
    for shift in range(3):
        point = _Shifted(base, shift)
        first, second = Evaluation(point), Evaluation(point)
        try:
            a, b = first.value(left), second.value(right)
        except Undefined:
            return None
        if first.opaque or second.opaque:
            return None
        ratios.append((a, b))
    prime = base.prime
    zeros = [(a == 0, b == 0) for a, b in ratios]
    if any(a != b for a, b in zeros):
        return False
    live = [(a, b) for a, b in ratios if a and b]
    if not live:
        return True
    a0, b0 = live[0]
    return all((a0 * b - a * b0) % prime == 0 for a, b in live)


class _Shifted(Point):
    """The same prime with other values, for tests that compare points."""

    def __init__(self, base: Point, shift: int) -> None:
        self.prime = base.prime
        self.imaginary = base.imaginary
        self.secret = base.secret + 7919 * shift

    def value_of(self, name: object) -> int:
        if isinstance(name, tuple) and name and name[0] == "constant":
            return (hash((name, 1)) ^ 0x5DEECE66D) % self.prime
        return super().value_of(name)
