"""Comparators and value equality: what each accepts, and that none is slow or raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewardsvc_verifiers.code.comparators import (
    DECIMAL,
    EXACT,
    LINES,
    TOKENS,
    Comparator,
    Comparison,
)
from rewardsvc_verifiers.code.equality import same

FUSION = Comparator(Comparison.DECIMAL, relative_tolerance=1e-5, ignore_case=True)


@pytest.mark.parametrize(
    ("comparator", "actual", "expected", "accepted"),
    [
        (EXACT, b"1\n", "1\n", True),
        (EXACT, b"1", "1\n", False),
        (LINES, b" 1 \n2\n\n", "1\n2", True),
        (LINES, b"1  2", "1 2", False),
        (LINES, b"1\n\n2", "1\n2", False),
        (TOKENS, b"1\n  2\t3", "1 2 3", True),
        (TOKENS, b"1 2", "1 2 3", False),
        (TOKENS, b"1.0", "1", False),
        (DECIMAL, b"1.0", "1", True),
        (DECIMAL, b"1e2 x", "100 x", True),
        (DECIMAL, b"1 2", "1\n2", False),
        (DECIMAL, b"1.0000001", "1", False),
        (DECIMAL, b"nan", "1", False),
        (DECIMAL, b"nan", "nan", True),
        (DECIMAL, b"inf", "1e999", False),
        (DECIMAL, b"-0", "0", True),
        (DECIMAL, b"1_0", "10", False),
        (DECIMAL, b"1e999999999", "1", False),
        (DECIMAL, b"9" * 100_000, "1", False),
        (FUSION, b"YES 1.000001", "yes 1", True),
        (FUSION, b"YES 1.1", "yes 1", False),
        (TOKENS, b"\xff\xfe42", "42", False),
        (TOKENS, b"", "", True),
        (TOKENS, b"", "42", False),
    ],
)
def test_comparators(comparator: Comparator, actual: bytes, expected: str, accepted: bool) -> None:
    difference = comparator.matches(actual, expected)
    assert (difference is None) is accepted
    assert accepted or difference


@given(st.binary(max_size=200), st.text(max_size=200), st.sampled_from(Comparison))
def test_any_output_is_compared(actual: bytes, expected: str, comparison: Comparison) -> None:
    Comparator(comparison, relative_tolerance=1e-6).matches(actual, expected)


@given(st.text(st.characters(codec="utf-8"), max_size=100), st.sampled_from(Comparison))
def test_what_is_expected_always_matches(text: str, comparison: Comparison) -> None:
    assert Comparator(comparison).matches(text.encode(), text) is None


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_tolerances_that_accept_anything_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="relative_tolerance"):
        Comparator(relative_tolerance=value)


@pytest.mark.parametrize(
    ("actual", "expected", "options", "equal"),
    [
        (1, 1.0, {}, True),
        ([1, 2], (1, 2), {}, False),
        ([1, 2], (1, 2), {"tuples_equal_lists": True}, True),
        ([(1, [2])], [[1, (2,)]], {"tuples_equal_lists": True}, True),
        (0.1 + 0.2, 0.3, {}, False),
        (0.1 + 0.2, 0.3, {"absolute": 1e-9}, True),
        ([0.1 + 0.2], [0.3], {"relative": 1e-9}, True),
        ({"a": 0.30000001}, {"a": 0.3}, {"absolute": 1e-6}, True),
        ({"a": 0.3, "b": 1}, {"a": 0.3}, {"absolute": 1e-6}, False),
        (float("nan"), 1.0, {"absolute": 1e9}, False),
        (float("inf"), 1.0, {"absolute": 1e9}, False),
        (float("inf"), float("inf"), {"absolute": 1e-9}, True),
        (10**400, 1.0, {"absolute": 1e-9}, False),
        ("1", 1, {}, False),
        (None, 0, {}, False),
        ({1, 2}, {2, 1}, {}, True),
    ],
)
def test_equality(actual: object, expected: object, options: dict, equal: bool) -> None:
    assert same(actual, expected, **options) is equal
