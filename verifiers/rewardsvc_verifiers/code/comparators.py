"""Comparing printed output with the expected output. Pure, linear, in the trusted process.

Covers: output is bytes of a hostile program; whatever it holds, comparing takes time linear in
it and never raises. Numbers are read from tokens of bounded length only.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

_LONGEST_NUMBER = 400


class Comparison(StrEnum):
    """How outputs are compared."""

    EXACT = "exact"
    """Byte for byte."""
    LINES = "lines"
    """Line by line without surrounding white space, blank lines at the end ignored."""
    TOKENS = "tokens"
    """Word by word; how white space separates words does not matter."""
    DECIMAL = "decimal"
    """Line by line, word by word; words that are numbers are compared as numbers."""


@dataclass(frozen=True, slots=True)
class Comparator:
    """A way of comparing.

    Attributes:
        comparison: see Comparison.
        absolute_tolerance, relative_tolerance: of DECIMAL; a number matches when within either.
            The relative one is a share of the expected number.
        ignore_case: whether case matters.
    """

    comparison: Comparison = Comparison.TOKENS
    absolute_tolerance: float = 0.0
    relative_tolerance: float = 0.0
    ignore_case: bool = False

    def __post_init__(self) -> None:
        """Rejects tolerances that would accept anything."""
        for name in ("absolute_tolerance", "relative_tolerance"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"Comparator.{name} must be finite and at least 0, got {value!r}")

    def matches(self, actual: bytes, expected: str) -> str | None:
        """None when the output matches, else one sentence that says where it differs."""
        if self.comparison is Comparison.EXACT and not self.ignore_case:
            expected_bytes = expected.encode("utf-8", "surrogatepass")
            return None if actual == expected_bytes else _difference(_shown(actual), expected)
        text = actual.decode("utf-8", "backslashreplace")
        if self.ignore_case:
            text, expected = text.lower(), expected.lower()
        if self.comparison is Comparison.EXACT:
            return None if text == expected else _difference(text, expected)
        if self.comparison is Comparison.TOKENS:
            return self._sequences(text.split(), expected.split(), "word")
        actual_lines, expected_lines = _lines(text), _lines(expected)
        if self.comparison is Comparison.LINES:
            return self._sequences(actual_lines, expected_lines, "line")
        if len(actual_lines) != len(expected_lines):
            return f"{len(actual_lines)} lines instead of {len(expected_lines)}"
        for number, (mine, wanted) in enumerate(
            zip(actual_lines, expected_lines, strict=True), start=1
        ):
            difference = self._sequences(mine.split(), wanted.split(), "word")
            if difference is not None:
                return f"line {number}: {difference}"
        return None

    def _sequences(self, actual: list[str], expected: list[str], unit: str) -> str | None:
        if len(actual) == len(expected):
            for number, (mine, wanted) in enumerate(zip(actual, expected, strict=True), start=1):
                if mine != wanted and not self._same_number(mine, wanted):
                    return f"{unit} {number} is {_short(mine)} instead of {_short(wanted)}"
            return None
        return f"{len(actual)} {unit}s instead of {len(expected)}"

    def _same_number(self, actual: str, expected: str) -> bool:
        if self.comparison is not Comparison.DECIMAL:
            return False
        mine, wanted = _number(actual), _number(expected)
        if mine is None or wanted is None:
            return False
        tolerance = max(
            Decimal(self.absolute_tolerance), Decimal(self.relative_tolerance) * abs(wanted)
        )
        return abs(mine - wanted) <= tolerance


EXACT = Comparator(Comparison.EXACT)
LINES = Comparator(Comparison.LINES)
TOKENS = Comparator(Comparison.TOKENS)
DECIMAL = Comparator(Comparison.DECIMAL)


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return lines


def _number(token: str) -> Decimal | None:
    """A finite number of ordinary length and size, or None. `nan` equals nothing but its text."""
    if len(token) > _LONGEST_NUMBER or not token.isascii() or "_" in token:
        return None
    try:
        value = Decimal(token)
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value.adjusted()) > _LONGEST_NUMBER:
        return None
    return value


def _shown(data: bytes) -> str:
    return data[:200].decode("utf-8", "backslashreplace")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


def _difference(actual: str, expected: str) -> str:
    return f"output is {_short(actual)} instead of {_short(expected)}"
