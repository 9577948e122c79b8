"""The symbolic stage, as it runs inside a killable worker.

Takes trees (never text) and builds sympy objects from a fixed table of operations: nothing is
parsed or evaluated from a string. Cheap, rigorous means come first: the identity test with a
large budget, then rigorous quadrature of definite integrals with Arb, then sympy for limits,
sums, derivatives and antiderivatives.
"""

from __future__ import annotations

from typing import Any, Final

import sympy
from flint import acb, ctx

from rewardsvc_verifiers.math import identity, tree
from rewardsvc_verifiers.math.balls import Evaluator, NoValue
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.tree import LimitExceeded, Node

_BUDGET: Final = 400_000
_QUADRATURE_BITS: Final = 100
_AGREEING: Final = acb(2) ** -60
_CALCULUS: Final = frozenset({tree.INTEGRAL, tree.SUM, tree.PRODUCT, tree.LIMIT, tree.DERIVATIVE})


def decide(payload: Any) -> dict[str, Any]:
    """Compare every pair of trees: `[equal or None, why]` each."""
    return {
        "results": [
            list(_decide_pair(tree.from_json(left), tree.from_json(right)))
            for left, right in payload["pairs"]
        ]
    }


def _decide_pair(reference: Node, answer: Node) -> tuple[bool | None, str]:
    kinds = {part.kind for node in (reference, answer) for part in tree.walk(node)}
    if not kinds & _CALCULUS:
        try:
            found = identity.same(reference, answer, budget=_BUDGET)
        except LimitExceeded as limit:
            return None, f"stopped: {limit}"
        if found.equal is not None:
            return found.equal, found.evidence
        return _by_sympy(reference, answer)
    if tree.INTEGRAL in kinds:
        found_integral = _by_quadrature(reference, answer)
        if found_integral is not None:
            return found_integral
        antiderivative = _by_differentiation(reference, answer)
        if antiderivative is not None:
            return antiderivative
    return _by_sympy(reference, answer)


def _by_quadrature(reference: Node, answer: Node) -> tuple[bool | None, str] | None:
    """Both sides as balls, with rigorous integration; None when a side has no value."""
    if tree.symbols(reference) | tree.symbols(answer) != _bound(reference) | _bound(answer):
        return None
    ctx.prec = _QUADRATURE_BITS
    try:
        first = _Quadrature({}, _BUDGET).value(reference)
        second = _Quadrature({}, _BUDGET).value(answer)
    except (NoValue, LimitExceeded, ValueError, ZeroDivisionError):
        return None
    if not first.overlaps(second):
        return False, "rigorous integration gives different values"
    if (first - second).abs_upper() < _AGREEING.real:
        return True, "rigorous integration gives equal values to 60 bits"
    return None


def _bound(node: Node) -> frozenset[str]:
    return frozenset(name for name in tree.symbols(node) if name.endswith("#"))


class _Quadrature(Evaluator):
    """An evaluator that also integrates."""

    def value(self, node: Node) -> acb:
        if node.kind != tree.INTEGRAL or len(node.args) != 4:
            return super().value(node)
        body, variable, lower, upper = node.args
        low, high = self.value(lower), self.value(upper)
        inner = dict(self.values)

        def integrand(point: acb, analytic: bool) -> acb:
            evaluator = Evaluator({**inner, variable.name: point}, 2000)
            try:
                result = evaluator.value(body)
            except NoValue:
                return acb("nan")
            if analytic and not _is_analytic(body):
                return acb("nan")
            return result

        result = acb.integral(integrand, low, high)
        if not result.is_finite():
            raise NoValue("the integral did not converge")
        return result


def _is_analytic(body: Node) -> bool:
    """Whether no branch cut or kink can lie inside the region of integration."""
    return not any(
        part.kind in (tree.ABSOLUTE, tree.ROOT, tree.LOGARITHM)
        or (
            part.kind == tree.FUNCTION and part.name in ("ln", "log", "floor", "ceil", "max", "min")
        )
        or (part.kind == tree.POWER and not _is_entire_power(part))
        for part in tree.walk(body)
    )


def _is_entire_power(node: Node) -> bool:
    base, exponent = exact(node.args[0]), exact(node.args[1])
    if node.args[0] == tree.EULER or (base is not None and base > 0):
        return True
    return isinstance(exponent, int)


def _by_differentiation(reference: Node, answer: Node) -> tuple[bool | None, str] | None:
    """An unevaluated indefinite integral against a formula: differentiate the formula."""
    for integral, formula in ((reference, answer), (answer, reference)):
        if integral.kind == tree.INTEGRAL and len(integral.args) == 2:
            body, variable = integral.args
            name = sympy.Symbol(variable.name, real=True)
            difference = sympy.diff(to_sympy(formula), name) - to_sympy(body)
            return _is_zero(difference, "the derivative of the formula is the integrand")
    return None


def _by_sympy(reference: Node, answer: Node) -> tuple[bool | None, str]:
    try:
        difference = (to_sympy(reference) - to_sympy(answer)).doit()
    except (NotImplementedError, TypeError, ValueError, NoValue) as problem:
        return None, f"sympy could not build the expressions: {type(problem).__name__}"
    return _is_zero(difference, "sympy shows the difference to be zero")


def _is_zero(difference: sympy.Expr, why: str) -> tuple[bool | None, str]:
    if difference.has(sympy.zoo, sympy.nan, sympy.oo):
        return None, "the difference has no value"
    if difference == 0:
        return True, why
    if difference.has(sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, sympy.Derivative):
        return None, "sympy could not evaluate it"
    zero = difference.equals(0)
    if zero is True:
        return True, why
    if zero is False:
        return False, "sympy shows the difference not to be zero"
    return None, "sympy could not tell"


_FUNCTIONS: Final[dict[str, Any]] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec,
    "csc": sympy.csc, "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan,
    "arccot": sympy.acot, "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh,
    "coth": sympy.coth, "sech": sympy.sech, "csch": sympy.csch, "arcsinh": sympy.asinh,
    "arccosh": sympy.acosh, "arctanh": sympy.atanh, "ln": sympy.log, "log": sympy.log,
    "exp": sympy.exp, "floor": sympy.floor, "ceil": sympy.ceiling, "binom": sympy.binomial,
    "Gamma": sympy.gamma, "max": sympy.Max, "min": sympy.Min, "gcd": sympy.gcd,
    "lcm": sympy.lcm,
}  # fmt: skip
_CONSTANTS: Final = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "infinity": sympy.oo}


def to_sympy(node: Node) -> Any:
    """A sympy object built operation by operation. Raises NoValue for anything else."""
    kind = node.kind
    if kind in (tree.NUMBER, tree.DECIMAL, tree.BASE_N) and node.number is not None:
        return sympy.Rational(node.number.numerator, node.number.denominator)
    if kind == tree.SYMBOL:
        return sympy.Symbol(node.name, real=True)
    if kind == tree.CONSTANT:
        return _CONSTANTS[node.name]
    rule = _RULES.get(kind)
    if rule is None:
        raise NoValue(kind)
    return rule(node, [to_sympy(child) for child in node.args])


def _function(node: Node, args: list[Any]) -> Any:
    function = _FUNCTIONS.get(node.name)
    if function is None:
        raise NoValue(node.name)
    return function(*args)


def _index(args: list[Any]) -> tuple[Any, Any, Any, Any]:
    """Sums run over whole numbers; the index must say so."""
    body, index, lower, upper = args
    whole = sympy.Symbol(index.name, integer=True)
    return body.subs(index, whole), whole, lower, upper


def _sum(node: Node, args: list[Any]) -> Any:
    body, index, lower, upper = _index(args)
    kind = sympy.Sum if node.kind == tree.SUM else sympy.Product
    return kind(body, (index, lower, upper))


def _integral(node: Node, args: list[Any]) -> Any:
    if len(args) == 2:
        raise NoValue("an indefinite integral")
    body, variable, lower, upper = args
    return sympy.Integral(body, (variable, lower, upper))


def _power(base: Any, exponent: Any) -> Any:
    if base == 0 and exponent == 0:
        raise NoValue("zero to the power of zero")
    return sympy.Pow(base, exponent)


_RULES: Final[dict[str, Any]] = {
    tree.ADD: lambda node, args: sympy.Add(*args),
    tree.MULTIPLY: lambda node, args: sympy.Mul(*args),
    tree.DIVIDE: lambda node, args: args[0] / args[1],
    tree.NEGATE: lambda node, args: -args[0],
    tree.POWER: lambda node, args: _power(args[0], args[1]),
    tree.ROOT: lambda node, args: (
        sympy.real_root(args[0], args[1]) if args[1].is_odd else sympy.root(args[0], args[1])
    ),
    tree.ABSOLUTE: lambda node, args: sympy.Abs(args[0]),
    tree.FACTORIAL: lambda node, args: sympy.factorial(args[0]),
    tree.LOGARITHM: lambda node, args: sympy.log(args[0], args[1]),
    tree.FUNCTION: _function,
    tree.PERCENT: lambda node, args: args[0] / 100,
    tree.DEGREE: lambda node, args: args[0] * sympy.pi / 180,
    tree.MIXED: lambda node, args: args[0] + args[1],
    tree.SUM: _sum,
    tree.PRODUCT: _sum,
    tree.INTEGRAL: _integral,
    tree.LIMIT: lambda node, args: (
        sympy.Limit(args[0], args[1], args[2], "+-")
        if args[2] not in (sympy.oo, -sympy.oo)
        else sympy.Limit(args[0], args[1], args[2])
    ),
    tree.DERIVATIVE: lambda node, args: sympy.Derivative(args[0], args[1]),
}
