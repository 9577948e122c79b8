"""Are two expressions the same function? Graded evidence for yes, proof for no.

First the prime field (`modular`): decides every rational function both ways. Then Arb balls
(`balls`) at random points on several sign domains, because sqrt(x**2) and x, or ln(x**2) and
2 ln(x), agree on half of the line only. Agreement at a point where both sides leave the reals
counts for nothing unless an answer speaks of i itself.
"""

from __future__ import annotations

import secrets
from threading import Lock
from typing import Final, NamedTuple

from flint import acb, ctx, fmpq

from rewardsvc_verifiers.math import modular, tree
from rewardsvc_verifiers.math.balls import Evaluator, NoValue, is_real
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.tree import LimitExceeded, Node
from rewardsvc_verifiers.math.word_lists import words

_PRECISION: Final = 192
_PRECISION_RETRY: Final = 1024
_AGREEING_BITS: Final = 80
#: Work of one in-process comparison, in evaluated nodes; beyond it a worker takes over.
IN_PROCESS_BUDGET: Final = 2500

# python-flint's precision is one number per process.
_FLINT_LOCK: Final = Lock()


class Identity(NamedTuple):
    """`equal` is None when neither could be shown."""

    equal: bool | None
    evidence: str


# Sign domains: all positive, all negative, mixed, in (0, 1), in (-1, 0), above one.
_DOMAINS: Final = (
    ((1, 4), (3, 1)),
    ((-3, 1), (-1, 4)),
    ((1, 4), (3, 1), (-3, 1), (-1, 4)),
    ((1, 8), (7, 8)),
    ((-7, 8), (-1, 8)),
    ((5, 4), (5, 1)),
)


def _random_between(low: fmpq, high: fmpq) -> acb:
    return acb(low + (high - low) * fmpq(secrets.randbits(40) | 1, 2**40))


def _draw(domain: int, order: int) -> acb:
    bounds = _DOMAINS[domain]
    offset = 0 if len(bounds) == 2 or order % 2 == 0 else 2
    return _random_between(fmpq(*bounds[offset]), fmpq(*bounds[offset + 1]))


_POINT_CACHE: Final[list[list[acb]]] = []
_MAXIMUM_SYMBOLS: Final = 12


def _values(names: list[str], whole: frozenset[str], domain: int) -> dict[str, acb]:
    """One random value per name; whole-number names get small positive integers."""
    if not _POINT_CACHE:
        # Drawn once per process: unpredictable to any text, and free afterwards.
        _POINT_CACHE.extend(
            [_draw(index, order) for order in range(_MAXIMUM_SYMBOLS)]
            for index in range(len(_DOMAINS))
        )
    row = _POINT_CACHE[domain]
    return {
        name: acb(2 + 3 * domain + position) if name in whole else row[position]
        for position, name in enumerate(names)
    }


def _whole_number_names(*nodes: Node) -> frozenset[str]:
    """Variables that only make sense as whole numbers: under (-1)^n, n!, binomials."""
    names: set[str] = set()
    for node in nodes:
        for part in tree.walk(node):
            if part.kind == tree.FACTORIAL or (
                part.kind == tree.FUNCTION and part.name in ("binom", "gcd", "lcm")
            ):
                names |= tree.symbols(part)
            elif part.kind == tree.POWER and part.args[1].kind != tree.NUMBER:
                base = exact(part.args[0])
                if base is not None and base < 0:
                    names |= tree.symbols(part.args[1])
    return frozenset(names)


def same(left: Node, right: Node, log_base: str = "e", budget: int = IN_PROCESS_BUDGET) -> Identity:
    """Whether two scalar expressions are equal wherever both are defined.

    Raises LimitExceeded when the work would exceed `budget` evaluated nodes.
    """
    try:
        by_field = modular.compare(left, right)
    except LimitExceeded:
        if budget <= IN_PROCESS_BUDGET:
            raise
        by_field = None
    if by_field is not None:
        equal, decisive = by_field
        if equal:
            return Identity(True, "equal as formal expressions, checked in a random prime field")
        if decisive:
            return Identity(False, "different values at a point of a prime field")
    with _FLINT_LOCK:
        previous = ctx.prec
        try:
            result = Identity(None, "")
            for precision in (_PRECISION, _PRECISION_RETRY):
                ctx.prec = precision
                result = _by_balls(left, right, log_base, budget)
                if result.equal is not None or result.evidence != "imprecise":
                    return result
            return Identity(None, "the enclosures stayed too wide")
        finally:
            ctx.prec = previous


def _by_balls(left: Node, right: Node, log_base: str, budget: int) -> Identity:
    names = sorted(tree.symbols(left) | tree.symbols(right))
    if len(names) > _MAXIMUM_SYMBOLS:
        raise LimitExceeded("too many variables")
    speaks_of_i = any(
        part.kind == tree.CONSTANT and part.name == "i"
        for node in (left, right)
        for part in tree.walk(node)
    )
    whole = _whole_number_names(left, right)
    agreed = 0
    imprecise = False
    domains = range(_domain_count(left, right) if names else 1)
    for domain in domains:
        values = _values(names, whole, domain)
        first = Evaluator(values, budget, log_base)
        second = Evaluator(values, budget, log_base)
        try:
            a = first.value(left)
            b = second.value(right)
        except NoValue:
            continue
        finally:
            budget = min(first.budget, second.budget)
        if a.overlaps(b):
            if not speaks_of_i and names and first.complex_inside and second.complex_inside:
                continue
            if _precise(a) and _precise(b) and _precise_difference(a, b):
                agreed += 1
            else:
                imprecise = True
            continue
        if names and not speaks_of_i and first.complex_inside and second.complex_inside:
            continue
        return Identity(False, f"different values: {_short(a)} and {_short(b)}")
    if imprecise:
        return Identity(None, "imprecise")
    if agreed >= (1 if not names else 2):
        return Identity(True, f"equal to {_AGREEING_BITS} bits or more at {agreed} points")
    return Identity(None, "no point where both have a value")


_BRANCHED: Final = frozenset({tree.ROOT, tree.ABSOLUTE, tree.LOGARITHM, tree.FACTORIAL})
_ENTIRE: Final = frozenset(words("sin cos tan cot sec csc exp sinh cosh tanh cis arctan"))


def _domain_count(*nodes: Node) -> int:
    """All sign domains where roots, logarithms and the like distinguish them, else three."""
    for node in nodes:
        for part in tree.walk(node):
            if part.kind in _BRANCHED or (part.kind == tree.FUNCTION and part.name not in _ENTIRE):
                return len(_DOMAINS)
            if part.kind == tree.POWER and part.args[1].kind != tree.NUMBER:
                return len(_DOMAINS)
    return 3


def _precise(value: acb) -> bool:
    return bool(value.rad() < 1) or value.rel_accuracy_bits() > _AGREEING_BITS


def _precise_difference(a: acb, b: acb) -> bool:
    """Whether the overlap means agreement to `_AGREEING_BITS`, relative or near zero absolute."""
    if a.rel_accuracy_bits() >= _AGREEING_BITS and b.rel_accuracy_bits() >= _AGREEING_BITS:
        return True
    # One of them may be an exact zero that the other only approaches.
    return bool((a - b).abs_upper() < _TINY)


_TINY: Final = acb(fmpq(1, 2**100)).real


def _short(value: acb) -> str:
    return (
        str(value.real.str(6, radius=False)) if is_real(value) else str(value.str(6, radius=False))
    )


def enclosure(node: Node, log_base: str = "e", precision: int = _PRECISION) -> acb | None:
    """The ball around a constant expression's value, or None."""
    with _FLINT_LOCK:
        previous = ctx.prec
        ctx.prec = precision
        try:
            return Evaluator({}, IN_PROCESS_BUDGET, log_base).value(node)
        except (NoValue, LimitExceeded):
            return None
        finally:
            ctx.prec = previous
