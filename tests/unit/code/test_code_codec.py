"""The codec gives back exactly what went in, and refuses whatever is not plain data."""

from __future__ import annotations

import contextlib
import math
from collections import Counter, OrderedDict, deque
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rewardsvc_verifiers.code import codec

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.complex_numbers(allow_nan=False) | st.decimals(allow_nan=False, places=2)
    | st.fractions() | st.dates()
)  # fmt: skip
HASHABLE = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(HASHABLE, inner)
        | st.sets(HASHABLE) | st.frozensets(HASHABLE) | st.lists(inner).map(deque)
    ),
    max_leaves=20,
)  # fmt: skip


def exactly(left: object, right: object) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple | deque):
        return len(left) == len(right) and all(map(exactly, left, right))
    return left == right


@given(VALUES)
@settings(max_examples=300)
def test_round_trip(value: object) -> None:
    assert exactly(codec.decode(codec.encode(value)), value)


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_are_a_value_or_a_codec_error(data: bytes) -> None:
    with contextlib.suppress(codec.CodecError):
        codec.decode(data)


@pytest.mark.parametrize(
    "value",
    [
        10**100_000, -(10**50), float("inf"), -0.0, int, type(None), Ellipsis, range(1, 9, 2),
        Counter("abca"), OrderedDict(a=1), Decimal("1.50"), Fraction(1, 3), date(2020, 2, 29),
        list(range(100)), [1.5] * 100, [2**70] * 20, [True] * 20, "\ud800",
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_that_need_care(value: object) -> None:
    assert exactly(codec.decode(codec.encode(value)), value)


def test_not_a_number_crosses() -> None:
    assert math.isnan(codec.decode(codec.encode(float("nan"))))


class Equal(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Fake:
    __class__ = int  # type: ignore[assignment]


@pytest.mark.parametrize(
    "value", [Equal(1), Fake(), object(), len, (x for x in ()), Exception, [Equal(2)], {1: Fake()}]
)
def test_what_is_not_plain_does_not_cross(value: object) -> None:
    with pytest.raises(codec.CodecError):
        codec.encode(value)


def test_depth_is_bounded_both_ways() -> None:
    value: list[object] = []
    for _ in range(codec.MAXIMUM_DEPTH + 2):
        value = [value]
    with pytest.raises(codec.CodecError, match="deeper"):
        codec.encode(value)
    with pytest.raises(codec.CodecError, match="deeper"):
        codec.decode(b"l\x01\0\0\0" * 1000 + b"N")


def test_a_set_of_colliding_integers_is_refused_quickly() -> None:
    items = [i * (2**61 - 1) for i in range(300)]
    data = codec.encode(items)
    assert codec.decode(data) == items
    as_set = b"e" + (300).to_bytes(4, "little") + b"".join(codec.encode(i) for i in items)
    with pytest.raises(codec.CodecError, match="collide"):
        codec.decode(as_set)


def test_references_need_a_resolver() -> None:
    data = codec.encode(object(), lambda value: codec.Reference(7, "object"))
    with pytest.raises(codec.CodecError):
        codec.decode(data)
    assert codec.decode(data, lambda reference: reference) == codec.Reference(7, "object")
