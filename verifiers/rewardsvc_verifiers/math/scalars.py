"""Compare two single values: numbers, expressions, percentages, angles, quantities."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Final

from rewardsvc_verifiers.math import identity, tree
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.judgement import (
    IDENTITY,
    NUMERIC,
    PARSE,
    TYPED,
    Judgement,
    different,
    equal,
    unknown,
)
from rewardsvc_verifiers.math.policy import MathPolicy
from rewardsvc_verifiers.math.rounding import rounds_to
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, Rational
from rewardsvc_verifiers.math.units import LETTER_UNITS, Unit, parse_unit

_CALCULUS: Final = frozenset({tree.INTEGRAL, tree.LIMIT, tree.DERIVATIVE, tree.SUM, tree.PRODUCT})
_RADIAN: Final = (("radian", 1),)
_MOST_CONSTANTS: Final = 3
_PARAMETERS: Final = frozenset("knmjl")
_INTEGRATION_CONSTANTS: Final = frozenset(["C", "c", "K", "k", "C_1", "c_1", "A", "const", "D"])


def judge_scalar(reference: Node, answer: Node, policy: MathPolicy) -> Judgement:
    """Compare two scalars, with or without percent sign, degree sign or unit."""
    if reference == answer:
        return equal(PARSE, "both are the same expression")
    reference_value, reference_sign = _signed(reference)
    answer_value, answer_sign = _signed(answer)
    if reference_sign is None and answer_sign is None:
        return judge_value(reference, answer, policy)
    if isinstance(reference_sign, Unit) and answer_sign is None:
        letter = _letter_unit(answer)
        if letter is not None:
            answer_value, answer_sign = letter
    if reference_sign == "percent" or answer_sign == "percent":
        return _judge_percent(
            (reference, reference_value, reference_sign),
            (answer, answer_value, answer_sign),
            policy,
        )
    if reference_sign == "degree" or answer_sign == "degree":
        return _judge_degrees(
            (reference, reference_value, reference_sign),
            (answer, answer_value, answer_sign),
            policy,
        )
    return _judge_units(reference_value, reference_sign, answer_value, answer_sign, policy)


def _signed(node: Node) -> tuple[Node, Unit | str | None]:
    """The bare value, and the sign or unit it carries."""
    kind = node.kind
    if kind == tree.PERCENT:
        return node.args[0], "percent"
    if kind == tree.DEGREE:
        return node.args[0], "degree"
    if kind == tree.QUANTITY:
        return node.args[0], parse_unit(node.name)
    if kind == tree.NEGATE:
        inner, sign = _signed(node.args[0])
        return (node, None) if sign is None else (tree.negate(inner), sign)
    if kind == tree.ADD and all(child.kind in (tree.QUANTITY, tree.ADD) for child in node.args):
        parts = [_signed(child) for child in node.args]
        first = parts[0][1]
        if isinstance(first, Unit):
            terms: list[Node] = []
            for value, unit in parts:
                if not isinstance(unit, Unit) or unit.dimension != first.dimension:
                    return node, None
                terms.append(Node(tree.MULTIPLY, (value, tree.integer(unit.factor))))
            return Node(tree.ADD, tuple(terms)), Unit(first.dimension, Fraction(1), first.label)
    return node, None


def _letter_unit(node: Node) -> tuple[Node, Unit] | None:
    """5m as a quantity where the reference carries a unit."""
    if (
        node.kind == tree.MULTIPLY
        and len(node.args) == 2
        and node.args[1].kind == tree.SYMBOL
        and node.args[1].name in LETTER_UNITS
        and node.args[0].kind in (tree.NUMBER, tree.DECIMAL)
    ):
        return node.args[0], parse_unit(node.args[1].name)
    return None


Side = tuple[Node, Node, Unit | str | None]


def _judge_percent(reference: Side, answer: Side, policy: MathPolicy) -> Judgement:
    whole, inner, sign = reference
    answer_whole, answer_inner, answer_sign = answer
    if isinstance(sign, Unit) or isinstance(answer_sign, Unit) or "degree" in (sign, answer_sign):
        return unknown("a percentage cannot be compared with another unit")
    if sign == answer_sign:
        return judge_value(inner, answer_inner, policy)
    by_value = judge_value(whole, answer_whole, policy)
    if by_value.equal:
        return by_value
    if sign == "percent" and policy.percent != "strict":
        bare = judge_value(inner, answer_whole, policy)
        return bare._replace(stage=TYPED) if bare.equal else by_value
    if answer_sign == "percent" and policy.percent == "ignore":
        bare = judge_value(whole, answer_inner, policy)
        return bare._replace(stage=TYPED) if bare.equal else by_value
    return by_value


def _judge_degrees(reference: Side, answer: Side, policy: MathPolicy) -> Judgement:
    whole, inner, sign = reference
    answer_whole, answer_inner, answer_sign = answer
    if isinstance(sign, Unit) and sign.dimension == _RADIAN:
        return judge_value(inner, answer_whole, policy)
    if isinstance(answer_sign, Unit) and answer_sign.dimension == _RADIAN:
        return judge_value(whole, answer_inner, policy)
    if isinstance(sign, Unit) or isinstance(answer_sign, Unit):
        return unknown("an angle cannot be compared with another unit")
    if sign == answer_sign:
        return judge_value(inner, answer_inner, policy)
    bare = answer_whole if sign == "degree" else whole
    if mentions_pi(bare):
        return judge_value(whole, answer_whole, policy)
    if policy.degrees == "required":
        return different(TYPED, "the degree sign is missing on one side")
    if sign == "degree":
        return judge_value(inner, answer_whole, policy)
    return judge_value(whole, answer_inner, policy)


def mentions_pi(node: Node) -> bool:
    """Whether pi occurs in the tree."""
    return any(part.kind == tree.CONSTANT and part.name == "pi" for part in tree.walk(node))


def _judge_units(
    reference: Node,
    reference_unit: Unit | str | None,
    answer: Node,
    answer_unit: Unit | str | None,
    policy: MathPolicy,
) -> Judgement:
    first = reference_unit if isinstance(reference_unit, Unit) else None
    second = answer_unit if isinstance(answer_unit, Unit) else None
    if policy.units == "ignore" or first is None or second is None:
        if policy.units == "required" and first is not None and second is None:
            return different(TYPED, "the reference's unit is missing")
        return judge_value(reference, answer, policy)
    if first.label or second.label:
        values = judge_value(reference, answer, policy)
        if first.label == second.label and first.dimension == second.dimension:
            return values
        if values.equal is False and not (first.dimension or second.dimension):
            return values
        return unknown("the units are different words, which no table compares")
    if first.dimension != second.dimension:
        return different(TYPED, "the units measure different things")
    ratio: Rational = second.factor / first.factor
    if ratio == 1:
        return judge_value(reference, answer, policy)
    if rounds_to(reference, answer, policy, ratio):
        return equal(TYPED, "equal after converting units and rounding as the reference does")
    scaled = Node(tree.MULTIPLY, (answer, tree.integer(ratio)))
    result = judge_value(reference, scaled, policy)
    return result if result.equal is None else result._replace(stage=TYPED)


def infinity_sign(node: Node) -> int | None:
    """1 or -1 for an infinity, None for anything else."""
    if node.kind == tree.CONSTANT and node.name == "infinity":
        return 1
    if node.kind == tree.NEGATE:
        inner = infinity_sign(node.args[0])
        return None if inner is None else -inner
    return None


def judge_value(reference: Node, answer: Node, policy: MathPolicy) -> Judgement:
    """Compare two values without sign or unit."""
    if reference.kind == tree.BASE_N or answer.kind == tree.BASE_N:
        based = _judge_base(reference, answer, policy)
        if based is not None:
            return based
    infinite, answer_infinite = infinity_sign(reference), infinity_sign(answer)
    if infinite is not None or answer_infinite is not None:
        if infinite == answer_infinite:
            return equal(PARSE, "both are the same infinity")
        return different(PARSE, "one is infinite, the other is not the same infinity")
    first, second = exact(reference), exact(answer)
    if first is not None and second is not None:
        if first == second:
            return equal(NUMERIC, "they are the same number")
        if rounds_to(reference, answer, policy):
            return equal(NUMERIC, "they agree to the digits that the policy asks for")
        return different(NUMERIC, "they are different numbers")
    if (first is None) != (second is None):
        rounded = rounds_to(reference, answer, policy)
        if rounded:
            return equal(IDENTITY, "they agree to the digits that the policy asks for")
    elif rounds_to(reference, answer, policy):
        return equal(IDENTITY, "they agree to the digits that the policy asks for")
    return _judge_expression(reference, answer, policy)


def _judge_base(reference: Node, answer: Node, policy: MathPolicy) -> Judgement | None:
    if policy.base == "value":
        return None
    if reference.kind == answer.kind:
        if reference.name == answer.name:
            return equal(PARSE, "the same digits in the same base")
        same_base = reference.name.split("_")[1] == answer.name.split("_")[1]
        if same_base and reference.number == answer.number:
            return equal(NUMERIC, "the same number in the same base")
        return different(NUMERIC, "the digits or the base differ")
    if exact(answer if reference.kind == tree.BASE_N else reference) is None:
        return None
    return different(TYPED, "one is written in a base, the other is not")


def _judge_expression(reference: Node, answer: Node, policy: MathPolicy) -> Judgement:
    if policy.logarithm == "10":
        reference, answer = _with_log_base_ten(reference), _with_log_base_ten(answer)
    result = _judge_identity(reference, answer)
    if result.equal:
        return result
    if policy.logarithm == "either" and (_has_plain_log(reference) or _has_plain_log(answer)):
        again = _judge_identity(_with_log_base_ten(reference), _with_log_base_ten(answer))
        if again.equal:
            return again
    if result.equal is None and _has_calculus(reference, answer):
        return result
    for renamed in _renamings(reference, answer, policy):
        again = _judge_identity(reference, renamed)
        if again.equal:
            return again
    return result


def _judge_identity(reference: Node, answer: Node) -> Judgement:
    try:
        found = identity.same(reference, answer)
    except LimitExceeded as limit:
        return unknown(f"the comparison was stopped: {limit}", IDENTITY, symbolic=True)
    if found.equal is None:
        return unknown(f"evaluation could not tell: {found.evidence}", IDENTITY, symbolic=True)
    if found.equal:
        return equal(IDENTITY, f"the expressions are equal ({found.evidence})")
    return different(IDENTITY, f"the expressions differ ({found.evidence})")


def _has_plain_log(node: Node) -> bool:
    return any(part.kind == tree.FUNCTION and part.name == "log" for part in tree.walk(node))


def _with_log_base_ten(node: Node) -> Node:
    if node.kind == tree.FUNCTION and node.name == "log":
        return Node(tree.LOGARITHM, (_with_log_base_ten(node.args[0]), tree.integer(10)))
    if not node.args:
        return node
    return node._replace(args=tuple(_with_log_base_ten(child) for child in node.args))


def _has_calculus(*nodes: Node) -> bool:
    return any(part.kind in _CALCULUS for node in nodes for part in tree.walk(node))


def _renamings(reference: Node, answer: Node, policy: MathPolicy) -> list[Node]:
    """The answer with integration constants or a whole-number parameter renamed, if any."""
    names, answer_names = tree.symbols(reference), tree.symbols(answer)
    extra, answer_extra = names - answer_names, answer_names - names
    if policy.constant_of_integration == "optional" and extra == {"C"} and not answer_extra:
        return [Node(tree.ADD, (answer, tree.symbol("C")))]
    if len(extra) == len(answer_extra) == 1:
        old, new = next(iter(answer_extra)), next(iter(extra))
        constant = (
            len(names) > 1
            and {old, new} <= _INTEGRATION_CONSTANTS
            and "C"
            in (
                old[:1].upper(),
                new[:1].upper(),
            )
        )
        family = {old, new} <= _PARAMETERS and mentions_pi(reference) and mentions_pi(answer)
        if constant or family:
            return [tree.substitute(answer, old, tree.symbol(new))]
    constants, answer_constants = _constants(names), _constants(answer_names)
    if 2 <= len(constants) == len(answer_constants) <= _MOST_CONSTANTS and (
        names - set(constants) == answer_names - set(answer_constants)
    ):
        return [
            _substitute_all(answer, answer_constants, order) for order in permutations(constants)
        ]
    return []


def _constants(names: frozenset[str]) -> list[str]:
    """Names of arbitrary constants: C_1, C_2, or A and B; sorted."""
    numbered = [name for name in names if name[:2] in ("C_", "c_") and name[2:].isdigit()]
    return sorted(numbered or [name for name in names if name in ("A", "B", "C")])


def _substitute_all(node: Node, old: list[str], new: tuple[str, ...]) -> Node:
    for name in old:
        node = tree.substitute(node, name, tree.symbol(f"{name}#"))
    for name, other in zip(old, new, strict=True):
        node = tree.substitute(node, f"{name}#", tree.symbol(other))
    return node
