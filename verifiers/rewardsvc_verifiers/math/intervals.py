"""Sorted disjoint intervals of the real line, and set operations on them."""

from __future__ import annotations

from typing import Final, NamedTuple

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.identity import enclosure
from rewardsvc_verifiers.math.scalars import infinity_sign
from rewardsvc_verifiers.math.tree import Node

MAXIMUM_PIECES: Final = 64


class Piece(NamedTuple):
    """One interval; `order` values are floats, infinite ends included."""

    low: Node
    high: Node
    low_closed: bool
    high_closed: bool
    low_order: float
    high_order: float


class Region(NamedTuple):
    """Sorted disjoint pieces, and the variable named, if any."""

    pieces: tuple[Piece, ...]
    variable: str = ""


class NoRegion(Exception):
    """The tree is no set of real numbers that this module understands."""


REALS: Final = Piece(
    tree.negate(tree.INFINITY), tree.INFINITY, False, False, float("-inf"), float("inf")
)


def order_of(node: Node) -> float:
    sign = infinity_sign(node)
    if sign is not None:
        return sign * float("inf")
    value = exact(node)
    if value is not None:
        try:
            return float(value)
        except OverflowError:
            raise NoRegion("an end too large") from None
    if tree.symbols(node):
        return float("nan")
    ball = enclosure(node)
    if ball is None or not ball.imag.contains(0):
        raise NoRegion("an end without a real value")
    return float(ball.real)


def interval_pieces(ends: tuple[Node, ...], brackets: str) -> tuple[Piece, ...]:
    low, high = ends
    low_order, high_order = order_of(low), order_of(high)
    low_closed = brackets[0] == "[" and abs(low_order) != float("inf")
    high_closed = brackets[1] == "]" and abs(high_order) != float("inf")
    if low_order > high_order or (
        low_order == high_order and not (low_closed and high_closed) and _same_end(low, high)
    ):
        return ()
    return (Piece(low, high, low_closed, high_closed, low_order, high_order),)


def point_piece(node: Node) -> Piece:
    order = order_of(node)
    if abs(order) == float("inf"):
        raise NoRegion("infinity is no element")
    return Piece(node, node, True, True, order, order)


def _same_end(first: Node, second: Node) -> bool:
    if first == second:
        return True
    a, b = exact(first), exact(second)
    if a is not None and b is not None:
        return a == b
    from rewardsvc_verifiers.math import identity

    try:
        return identity.same(first, second).equal is True
    except tree.LimitExceeded:
        raise NoRegion("ends too large to compare") from None


def is_symbolic(pieces: tuple[Piece, ...] | list[Piece]) -> bool:
    return any(p.low_order != p.low_order or p.high_order != p.high_order for p in pieces)


def normalised(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Sorted and merged."""
    if len(pieces) > MAXIMUM_PIECES:
        raise NoRegion("too many pieces")
    if is_symbolic(pieces):
        return tuple(pieces)
    ordered = sorted(pieces, key=lambda p: (p.low_order, not p.low_closed))
    merged: list[Piece] = []
    for piece in ordered:
        if merged and _touches(merged[-1], piece):
            merged[-1] = _joined(merged[-1], piece)
        else:
            merged.append(piece)
    return tuple(merged)


def _touches(first: Piece, second: Piece) -> bool:
    if second.low_order < first.high_order:
        return True
    if second.low_order > first.high_order:
        return False
    return (first.high_closed or second.low_closed) and _same_end(first.high, second.low)


def _joined(first: Piece, second: Piece) -> Piece:
    low_closed = first.low_closed or (second.low_closed and second.low_order == first.low_order)
    if second.high_order > first.high_order:
        high, closed, order = second.high, second.high_closed, second.high_order
    else:
        high, order = first.high, first.high_order
        closed = first.high_closed or (second.high_closed and second.high_order == first.high_order)
    return Piece(first.low, high, low_closed, closed, first.low_order, order)


def complement(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    if is_symbolic(pieces):
        raise NoRegion("the complement of a symbolic interval")
    gaps: list[Piece] = []
    low, low_closed, low_order = REALS.low, False, float("-inf")
    for piece in normalised(list(pieces)):
        if piece.low_order > low_order or (
            piece.low_order == low_order and low_closed and not piece.low_closed
        ):
            gaps.append(
                Piece(low, piece.low, low_closed, not piece.low_closed, low_order, piece.low_order)
            )
        low, low_closed, low_order = piece.high, not piece.high_closed, piece.high_order
    if low_order < float("inf"):
        gaps.append(Piece(low, REALS.high, low_closed, False, low_order, float("inf")))
    return tuple(
        gap._replace(
            low_closed=gap.low_closed and gap.low_order != float("-inf"),
            high_closed=gap.high_closed and gap.high_order != float("inf"),
        )
        for gap in gaps
    )


def intersection(first: tuple[Piece, ...], second: tuple[Piece, ...]) -> tuple[Piece, ...]:
    if is_symbolic(first) or is_symbolic(second):
        raise NoRegion("the intersection of symbolic intervals")
    found: list[Piece] = []
    if len(first) * len(second) > MAXIMUM_PIECES**2:
        raise NoRegion("too many pieces")
    for a in first:
        for b in second:
            if a.low_order > b.low_order or (a.low_order == b.low_order and not a.low_closed):
                low, low_closed, low_order = a.low, a.low_closed, a.low_order
            else:
                low, low_closed, low_order = b.low, b.low_closed, b.low_order
            if a.high_order < b.high_order or (a.high_order == b.high_order and not a.high_closed):
                high, high_closed, high_order = a.high, a.high_closed, a.high_order
            else:
                high, high_closed, high_order = b.high, b.high_closed, b.high_order
            if low_order < high_order or (low_order == high_order and low_closed and high_closed):
                found.append(Piece(low, high, low_closed, high_closed, low_order, high_order))
    return normalised(found)
