"""What a comparison found: equal, different, or neither shown, and why."""

from __future__ import annotations

from typing import Final, NamedTuple


class Judgement(NamedTuple):
    """The outcome of comparing an answer with a reference."""

    equal: bool | None
    """None when neither was shown."""
    stage: str
    """`string`, `numeric`, `parse`, `typed`, `identity` or `symbolic`."""
    reason: str
    symbolic: bool = False
    """Whether the symbolic stage may still decide."""
    answer_type: str = ""


STRING: Final = "string"
NUMERIC: Final = "numeric"
PARSE: Final = "parse"
TYPED: Final = "typed"
IDENTITY: Final = "identity"
SYMBOLIC: Final = "symbolic"

_DEPTH: Final = {STRING: 0, NUMERIC: 1, PARSE: 2, TYPED: 3, IDENTITY: 4, SYMBOLIC: 5}


def equal(stage: str, reason: str) -> Judgement:
    """Shown equal."""
    return Judgement(True, stage, reason)


def different(stage: str, reason: str) -> Judgement:
    """Shown different."""
    return Judgement(False, stage, reason)


def unknown(reason: str, stage: str = TYPED, symbolic: bool = False) -> Judgement:
    """Neither shown."""
    return Judgement(None, stage, reason, symbolic)


def deeper(first: str, second: str) -> str:
    """The dearer of two stages: the one that a combined judgement rests on."""
    return first if _DEPTH[first] >= _DEPTH[second] else second
