"""Comparing a returned value with the expected one. Pure; both are plain data already.

Covers: exact builtin types all the way down (the codec lets no subclass through), optional
float tolerance, and tuples for lists where a format came from JSON. A float is never within
tolerance of NaN; NaN equals nothing, as in Python.
"""

from __future__ import annotations

import math
from typing import Any

_NUMBERS = (int, float)


def same(
    actual: Any, expected: Any, *, absolute: float = 0.0, relative: float = 0.0,
    tuples_equal_lists: bool = False,
) -> bool:  # fmt: skip
    """Whether two plain values are equal.

    Args:
        absolute, relative: a float matches when within either; relative to the expected value.
        tuples_equal_lists: whether a tuple may stand for a list, at any depth.
    """
    if absolute == 0.0 and relative == 0.0 and not tuples_equal_lists:
        return _equal(actual, expected)
    return _walk(actual, expected, absolute, relative, tuples_equal_lists)


def _equal(actual: Any, expected: Any) -> bool:
    """Python's own equality: 1 == 1.0, {} == Counter()."""
    try:
        return bool(actual == expected)
    except (ArithmeticError, ValueError, TypeError):
        return False


def _walk(actual: Any, expected: Any, absolute: float, relative: float, loose: bool) -> bool:
    if isinstance(expected, float) and type(actual) in _NUMBERS and type(actual) is not bool:
        return _close(actual, expected, absolute, relative)
    if isinstance(actual, float) and type(expected) is int:
        return _close(actual, expected, absolute, relative)
    sequence = (list, tuple) if loose else (type(expected),)
    if type(expected) in (list, tuple):
        return (
            type(actual) in sequence
            and len(actual) == len(expected)
            and all(
                _walk(mine, wanted, absolute, relative, loose)
                for mine, wanted in zip(actual, expected, strict=True)
            )
        )
    if type(expected) is dict:
        return (
            isinstance(actual, dict)
            and actual.keys() == expected.keys()
            and all(_walk(actual[k], v, absolute, relative, loose) for k, v in expected.items())
        )
    return _equal(actual, expected)


def _close(actual: int | float, expected: int | float, absolute: float, relative: float) -> bool:
    if actual == expected:
        return True
    try:
        mine, wanted = float(actual), float(expected)
    except OverflowError:
        return False
    if not (math.isfinite(mine) and math.isfinite(wanted)):
        return False
    return abs(mine - wanted) <= max(absolute, relative * abs(wanted))
