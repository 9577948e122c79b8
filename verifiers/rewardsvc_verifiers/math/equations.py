"""Compare equations up to a nonzero factor, and inequalities up to a positive one.

Two polynomial equations whose sides differ by a constant factor have the same solutions. When
they do not, a generic point of the first is put into the second, in a prime field: if it is no
solution there, the solution sets differ (for an equation that is linear in one variable, so
that a generic point can be written down).
"""

from __future__ import annotations

from rewardsvc_verifiers.math import modular, tree
from rewardsvc_verifiers.math.judgement import IDENTITY, Judgement, different, equal, unknown
from rewardsvc_verifiers.math.tree import LimitExceeded, Node

_MIRROR = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def judge_equations(reference: Node, answer: Node) -> Judgement:
    """Two equations of two sides each."""
    first = tree.subtract(*reference.args)
    second = tree.subtract(*answer.args)
    if tree.symbols(first) != tree.symbols(second):
        return different(IDENTITY, "the equations speak of different variables")
    try:
        same = modular.proportional(first, second)
        if same:
            return equal(IDENTITY, "the equations are equal up to a nonzero factor")
        forward = _contained(first, second)
        backward = _contained(second, first)
    except LimitExceeded as limit:
        return unknown(f"the comparison was stopped: {limit}", IDENTITY)
    if forward is False or backward is False:
        return different(IDENTITY, "a solution of one equation does not solve the other")
    if forward and backward:
        return equal(IDENTITY, "the equations have the same solutions")
    if same is False and _is_polynomial(first) and _is_polynomial(second):
        return different(IDENTITY, "the equations are not equal up to a factor")
    return unknown("the equations could not be compared", IDENTITY, symbolic=True)


def _is_polynomial(node: Node) -> bool:
    return not any(
        part.kind in (tree.ROOT, tree.FUNCTION, tree.ABSOLUTE, tree.LOGARITHM, tree.FACTORIAL)
        or (part.kind == tree.POWER and part.args[1].kind != tree.NUMBER)
        for part in tree.walk(node)
    )


def _contained(first: Node, second: Node) -> bool | None:
    """Whether a generic solution of first = 0 solves second = 0; None when none is found."""
    for name in sorted(tree.symbols(first)):
        found = _generic_point(first, name)
        if found is None:
            continue
        point, value = found
        evaluation = modular.Evaluation(_With(point, name, value))
        try:
            result = evaluation.value(second)
        except modular.Undefined:
            continue
        if evaluation.opaque:
            return None
        return result == 0
    return None


def _generic_point(node: Node, name: str) -> tuple[modular.Point, int] | None:
    """A point of the field where node is zero, if node is linear in `name`."""
    point = modular.POINTS[0]
    values: list[int] = []
    for probe in (0, 1, 2):
        evaluation = modular.Evaluation(_With(point, name, probe))
        try:
            values.append(evaluation.value(node))
        except modular.Undefined:
            return None
        if evaluation.opaque:
            return None
    prime = point.prime
    slope = (values[1] - values[0]) % prime
    if slope == 0 or (values[2] - values[1] - slope) % prime:
        return None
    return point, -values[0] * pow(slope, -1, prime) % prime


class _With(modular.Point):
    """A point with one variable set to a chosen value."""

    def __init__(self, base: modular.Point, name: str, value: int) -> None:
        self.prime = base.prime
        self.imaginary = base.imaginary
        self.secret = base.secret
        self.name = name
        self.value = value

    def value_of(self, name: object) -> int:
        return self.value if name == self.name else super().value_of(name)


def judge_inequalities(reference: Node, answer: Node) -> Judgement:
    """Two inequalities in several variables, each of two sides."""
    first, second = tree.subtract(*reference.args), tree.subtract(*answer.args)
    operator, other = reference.name, answer.name
    if tree.symbols(first) != tree.symbols(second):
        return unknown("the inequalities speak of different variables")
    if operator not in _MIRROR or other not in _MIRROR:
        return unknown("relations that are no inequalities")
    if ("=" in operator) != ("=" in other):
        return different(IDENTITY, "one inequality is strict, the other is not")
    try:
        if not modular.proportional(first, second):
            return unknown("the inequalities are not equal up to a factor", IDENTITY)
    except LimitExceeded as limit:
        return unknown(f"the comparison was stopped: {limit}", IDENTITY)
    sign = _ratio_sign(first, second)
    if sign is None:
        return unknown("the sign of the factor is not known", IDENTITY)
    if (operator[0] == other[0]) == (sign > 0):
        return equal(IDENTITY, "the inequalities are equal up to a positive factor")
    return different(IDENTITY, "the inequalities point in opposite directions")


def _ratio_sign(first: Node, second: Node) -> int | None:
    """Sign of first / second at a rational point."""
    from rewardsvc_verifiers.math.exact import exact

    for shift in (0, 3, 11):
        left, right = first, second
        for index, name in enumerate(sorted(tree.symbols(first))):
            value = tree.integer(2 + shift + 5 * index * index)
            left = tree.substitute(left, name, value)
            right = tree.substitute(right, name, value)
        a, b = exact(left), exact(right)
        if a is not None and b is not None and a != 0 and b != 0:
            return 1 if (a > 0) == (b > 0) else -1
    return None
