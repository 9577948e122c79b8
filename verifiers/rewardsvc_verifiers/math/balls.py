"""Evaluate a tree at a point with Arb balls: rigorous enclosures, bounded work.

Disjoint balls prove a difference (Johansson 2017, "Arb: efficient arbitrary-precision
midpoint-radius interval arithmetic"). Real conventions of school mathematics hold: an odd
root of a negative number is the real one. Every size that could make C code run long
(exponents, factorials) is checked before the call.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from flint import acb, arb, fmpq

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.tree import LimitExceeded, Node
from rewardsvc_verifiers.math.word_lists import words

MAXIMUM_STEPS: Final = 3000
_LARGE: Final = 10**9
_MAXIMUM_TERMS: Final = 400


class NoValue(ArithmeticError):
    """Undefined at this point: a pole, infinity, or a form without a number."""


def ball(number: tree.Rational) -> acb:
    """An exact ball (or the tightest one) around a rational number."""
    if isinstance(number, int):
        return acb(number)
    return acb(fmpq(number.numerator, number.denominator))


def is_real(value: acb) -> bool:
    """Whether the enclosure is real with certainty."""
    return bool(value.imag == 0)


class Evaluator:
    """Evaluates at one point. `complex_inside` tells whether any part left the reals."""

    def __init__(
        self, values: dict[str, acb], budget: int = MAXIMUM_STEPS, log_base: str = "e"
    ) -> None:
        self.values = values
        self.budget = budget
        self.log_base = log_base
        self.complex_inside = False

    def value(self, node: Node) -> acb:
        """The enclosure of the tree's value. Raises NoValue or LimitExceeded."""
        self.budget -= 1
        if self.budget < 0:
            raise LimitExceeded("the expression takes too many steps")
        rule = _RULES.get(node.kind)
        if rule is None:
            raise NoValue(f"no numeric value: {node.kind}")
        result = rule(self, node)
        if not result.is_finite():
            raise NoValue("not finite")
        return result

    def real(self, node: Node) -> arb:
        """The enclosure of a real value; NoValue when it is not real."""
        value = self.value(node)
        if not is_real(value):
            raise NoValue("not real")
        return value.real


def _check_size(value: acb, limit: int = _LARGE) -> None:
    if not value.is_finite() or not value.abs_upper() < limit:
        raise LimitExceeded("a value too large for evaluation")


def _number(evaluator: Evaluator, node: Node) -> acb:
    if node.number is None:
        raise NoValue("no number")
    return ball(node.number)


def _symbol(evaluator: Evaluator, node: Node) -> acb:
    try:
        return evaluator.values[node.name]
    except KeyError:
        raise NoValue(f"no value for {node.name}") from None


def _constant(evaluator: Evaluator, node: Node) -> acb:
    if node.name == "pi":
        return acb.pi()
    if node.name == "e":
        return acb(1).exp()
    if node.name == "i":
        return acb(0, 1)
    raise NoValue("infinity")


def _add(evaluator: Evaluator, node: Node) -> acb:
    total = evaluator.value(node.args[0])
    for child in node.args[1:]:
        total = total + evaluator.value(child)
    return total


def _multiply(evaluator: Evaluator, node: Node) -> acb:
    result = evaluator.value(node.args[0])
    for child in node.args[1:]:
        result = result * evaluator.value(child)
    return result


def _divide(evaluator: Evaluator, node: Node) -> acb:
    return evaluator.value(node.args[0]) / evaluator.value(node.args[1])


def _negate(evaluator: Evaluator, node: Node) -> acb:
    return -evaluator.value(node.args[0])


def _power(evaluator: Evaluator, node: Node) -> acb:
    base_node, exponent_node = node.args
    exponent = exact(exponent_node)
    if base_node.kind == tree.CONSTANT and base_node.name == "e":
        argument = evaluator.value(exponent_node)
        _check_size(argument)
        return argument.exp()
    base = evaluator.value(base_node)
    if isinstance(exponent, int):
        if abs(exponent) > _LARGE:
            raise LimitExceeded("an exponent too large")
        if exponent == 0 and base == 0:
            raise NoValue("zero to the power of zero")
        return base**exponent
    if isinstance(exponent, Fraction):
        return _rational_power(evaluator, base, exponent)
    power = evaluator.value(exponent_node)
    _check_size(power)
    if is_real(base) and is_real(power) and not base.real >= 0:
        whole = power.unique_fmpz() if power.is_exact() else None
        if whole is not None:
            return base ** int(whole)
        evaluator.complex_inside = True
    if base == 0 and is_real(power) and power.real > 0:
        return acb(0)
    return base.pow(power)


def _rational_power(evaluator: Evaluator, base: acb, exponent: Fraction) -> acb:
    if abs(exponent) > _LARGE or exponent.denominator > _LARGE:
        raise LimitExceeded("an exponent too large")
    if is_real(base):
        if base == 0:
            if exponent < 0:
                raise NoValue("division by zero")
            return acb(0)
        if base.real < 0 and exponent.denominator % 2 == 1:
            magnitude = (-base).pow(ball(exponent))
            return -magnitude if exponent.numerator % 2 else magnitude
        if exponent == Fraction(1, 2) and base.real > 0:
            return acb(base.real.sqrt())
    result = base.pow(ball(exponent))
    if not (is_real(base) and base.real > 0):
        evaluator.complex_inside = True
    return result


def _root(evaluator: Evaluator, node: Node) -> acb:
    degree = exact(node.args[1])
    radicand = evaluator.value(node.args[0])
    if isinstance(degree, int) and degree:
        return _rational_power(evaluator, radicand, Fraction(1, degree))
    power = evaluator.value(node.args[1])
    return radicand.pow(1 / power)


def _absolute(evaluator: Evaluator, node: Node) -> acb:
    value = evaluator.value(node.args[0])
    if is_real(value):
        return acb(abs(value.real))
    return acb(value.abs_lower().union(value.abs_upper()))


def _factorial(evaluator: Evaluator, node: Node) -> acb:
    value = evaluator.value(node.args[0])
    _check_size(value, 10**12)
    if is_real(value) and value.real < 0:
        raise NoValue("the factorial of a negative number")
    return (value + 1).gamma()


def _logarithm(evaluator: Evaluator, node: Node) -> acb:
    argument = evaluator.value(node.args[0])
    base = evaluator.value(node.args[1])
    return _log(evaluator, argument) / _log(evaluator, base)


def _log(evaluator: Evaluator, argument: acb) -> acb:
    if argument == 0:
        raise NoValue("the logarithm of zero")
    if not (is_real(argument) and argument.real > 0):
        evaluator.complex_inside = True
    return argument.log()


def _percent(evaluator: Evaluator, node: Node) -> acb:
    return evaluator.value(node.args[0]) / 100


def _degree(evaluator: Evaluator, node: Node) -> acb:
    return evaluator.value(node.args[0]) * acb.pi() / 180


def _mixed(evaluator: Evaluator, node: Node) -> acb:
    return evaluator.value(node.args[0]) + evaluator.value(node.args[1])


def _loop(evaluator: Evaluator, node: Node) -> acb:
    """A finite sum or product, term by term."""
    body, index, lower, upper = node.args
    first, last = exact(lower), exact(upper)
    if not isinstance(first, int) or not isinstance(last, int):
        raise NoValue("a sum whose bounds are not whole numbers")
    if last - first >= _MAXIMUM_TERMS:
        raise LimitExceeded("a sum of too many terms")
    total = acb(0) if node.kind == tree.SUM else acb(1)
    outer = evaluator.values
    for step in range(first, last + 1):
        evaluator.values = {**outer, index.name: acb(step)}
        term = evaluator.value(tree.substitute(body, index.name, tree.integer(step)))
        total = total + term if node.kind == tree.SUM else total * term
    evaluator.values = outer
    return total


def _function(evaluator: Evaluator, node: Node) -> acb:
    name = node.name
    if name == "det":
        raise NoValue("a determinant")
    arguments = [evaluator.value(child) for child in node.args]
    first = arguments[0]
    unary = _UNARY.get(name)
    if unary is not None:
        if len(arguments) != 1:
            raise NoValue("one argument expected")
        if name in _ENTIRE:
            _check_size(first)
        result: acb = unary(first)
        if is_real(first) and not is_real(result):
            evaluator.complex_inside = True
        return result
    if name == "ln":
        return _log(evaluator, first)
    if name == "log":
        value = _log(evaluator, first)
        return value / acb(10).log() if evaluator.log_base == "10" else value
    if name == "lg":
        return _log(evaluator, first) / acb(10).log()
    if name == "binom" and len(arguments) == 2:
        top, bottom = arguments
        _check_size(top, 10**12)
        _check_size(bottom, 10**12)
        return (top + 1).gamma() * (bottom + 1).rgamma() * (top - bottom + 1).rgamma()
    if not all(is_real(value) for value in arguments):
        raise NoValue("not real")
    reals = [value.real for value in arguments]
    if name == "max":
        return acb(_extreme(reals, largest=True))
    if name == "min":
        return acb(_extreme(reals, largest=False))
    raise NoValue(f"the function {name}")


def _extreme(values: list[arb], largest: bool) -> arb:
    best = values[0]
    for value in values[1:]:
        best = best.max(value) if largest else best.min(value)
    return best


def _real_floor(value: acb) -> acb:
    if not is_real(value):
        raise NoValue("not real")
    return acb(value.real.floor())


def _real_ceil(value: acb) -> acb:
    if not is_real(value):
        raise NoValue("not real")
    return acb(value.real.ceil())


_UNARY: Final[dict[str, Any]] = {
    "sin": acb.sin, "cos": acb.cos, "tan": acb.tan, "cot": acb.cot, "sec": acb.sec,
    "csc": acb.csc, "arcsin": acb.asin, "arccos": acb.acos, "arctan": acb.atan,
    "arccot": lambda v: acb.pi() / 2 - v.atan(), "arcsec": lambda v: (1 / v).acos(),
    "arccsc": lambda v: (1 / v).asin(), "sinh": acb.sinh, "cosh": acb.cosh,
    "tanh": acb.tanh, "coth": acb.coth, "sech": acb.sech, "csch": acb.csch,
    "arcsinh": acb.asinh, "arccosh": acb.acosh, "arctanh": acb.atanh, "exp": acb.exp,
    "cis": lambda v: (acb(0, 1) * v).exp(), "Gamma": acb.gamma, "floor": _real_floor,
    "ceil": _real_ceil, "Re": lambda v: acb(v.real), "Im": lambda v: acb(v.imag),
    "arg": lambda v: acb(v.arg()),
}  # fmt: skip
_ENTIRE: Final = frozenset(
    words(
        """
    exp sinh cosh sin cos tan cot sec csc cis Gamma tanh coth
    """
    )
)

_RULES: Final = {
    tree.NUMBER: _number, tree.DECIMAL: _number, tree.BASE_N: _number, tree.SYMBOL: _symbol,
    tree.CONSTANT: _constant, tree.ADD: _add, tree.MULTIPLY: _multiply, tree.DIVIDE: _divide,
    tree.NEGATE: _negate, tree.POWER: _power, tree.ROOT: _root, tree.ABSOLUTE: _absolute,
    tree.FACTORIAL: _factorial, tree.LOGARITHM: _logarithm, tree.FUNCTION: _function,
    tree.PERCENT: _percent, tree.DEGREE: _degree, tree.MIXED: _mixed, tree.SUM: _loop,
    tree.PRODUCT: _loop,
}  # fmt: skip
