"""EvalPlus (HumanEval+, MBPP+): inputs only; expected values come from the canonical solution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsvc_verifiers.code.formats.errors import FormatError, field, parsed
from rewardsvc_verifiers.code.suite import Function, FunctionTest, TestSuite

# EvalPlus compares these by oracles of their own, not by equality.
_POLYNOMIAL = """
def check(arguments, result, expected):
    value = sum(c * result ** power for power, c in enumerate(arguments[0]))
    return type(result) in (int, float) and abs(value) <= {tolerance!r}
"""
_AS_SETS = """
def check(arguments, result, expected):
    return type(result) in (list, tuple, set, frozenset) and set(result) == set(expected)
"""
_NOT_NONE = """
def check(arguments, result, expected):
    return (result is not None) == (expected is not None) if type(result) is not bool else (
        result == expected or result == (expected is not None))
"""
_SET_TASKS = frozenset(
    ("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
     "intersection_array", "find_dissimilar", "Diff")
)  # fmt: skip
_NOT_NONE_TASKS = frozenset(("check_str", "text_match_three", "text_starta_endb"))


def from_evalplus(
    row: Mapping[str, Any], *, plus: bool = True, maximum_tests: int | None = None, **options: Any
) -> TestSuite:
    """A HumanEval+ or MBPP+ row; each input is a test.

    The canonical solution runs in a box of its own, once per input. Tolerance is EvalPlus':
    relative 1e-7, absolute `atol`, or 1e-6 where `atol` is 0 (floats only).

    Args:
        plus: use `plus_input` beside `base_input`.
        maximum_tests: only the first so many inputs.

    Raises:
        FormatError: a field is missing or of the wrong type.
    """
    what = "from_evalplus"
    name = field(row, "entry_point", str, what)
    prompt = field(row, "prompt", str, what)
    inputs = list(parsed(row.get("base_input") or [], "base_input", what))
    if plus:
        inputs += list(parsed(row.get("plus_input") or [], "plus_input", what))
    inputs = inputs[:maximum_tests]
    if not inputs or not all(isinstance(given, list | tuple) for given in inputs):
        raise FormatError(
            f"{what}: 'base_input' and 'plus_input' must hold lists of arguments,"
            f" got {inputs!r:.80}"
        )
    absolute = float(row.get("atol") or 0.0)
    checker = None
    if name == "find_zero":
        checker = _POLYNOMIAL.format(tolerance=absolute or 1e-4)
    elif name in _SET_TASKS:
        checker = _AS_SETS
    elif name in _NOT_NONE_TASKS:
        checker = _NOT_NONE
    canonical = field(row, "canonical_solution", str, what)
    kind = Function(
        name, tuple(FunctionTest(tuple(given), ()) for given in inputs),
        absolute_tolerance=absolute or 1e-6, relative_tolerance=1e-7,
        reference=f"{prompt}{canonical}", checker=checker,
    )  # fmt: skip
    return TestSuite(kind, prefix=prompt, completion_of=name, **options)
