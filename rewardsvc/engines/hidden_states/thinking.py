"""Where a response's thinking begins and ends: pure functions on text, no torch.

The first start marker and the last end marker count. So thinking that quotes its own markers
is read whole; but text behind the thinking that spells another end marker moves the end to
there, and a marker that a model spells in text cannot be told from one it thinks with. Where
the chat template itself opens the thinking, it begins there.

Not covered: whether what stands between the markers is thinking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["END", "START", "Markers", "NoThinking", "Thinking", "find_thinking", "open_tail"]

START, END = "<think>", "</think>"


class NoThinking(Exception):
    """A response in which there is nothing to read; `kind` is the same for alike reasons."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Markers:
    """What stands before and behind thinking.

    Raises:
        ValueError: a blank marker, or one that contains the other.
    """

    start: str = START
    end: str = END

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            if not getattr(self, name).strip():
                raise ValueError(f"the {name} marker is blank")
        if self.start in self.end or self.end in self.start:
            raise ValueError(f"the markers {self.start!r} and {self.end!r} contain one another")


@dataclass(frozen=True, slots=True)
class Thinking:
    """Characters of a response: `before` + start marker + `inside` + end marker, or, where the
    thinking was open already (`before` is None), `inside` + end marker."""

    before: str | None
    inside: str


def find_thinking(text: str, markers: Markers, *, opened: bool = False) -> Thinking:
    """The thinking of a response; `opened`: it begins before the response does.

    A response that begins with the start marker all the same opens its own thinking.

    Raises:
        NoThinking: a marker is missing, they are in the wrong order, or enclose blank space.
    """
    start = text.find(markers.start)
    if opened and not (start >= 0 and not text[:start].strip()):
        before, begin = None, 0
    elif start >= 0:
        before, begin = text[:start], start + len(markers.start)
    else:
        raise NoThinking("no start marker", f"the response has no {markers.start!r}")
    end = text.rfind(markers.end)
    if end < 0:
        raise NoThinking(
            "no end marker", f"the response has no {markers.end!r}: its thinking has no end"
        )
    if end < begin:
        raise NoThinking(
            "markers out of order",
            f"the response has no {markers.end!r} behind its first {markers.start!r}",
        )
    inside = text[begin:end]
    if not inside.strip():
        raise NoThinking("empty thinking", "there is nothing between the markers of thinking")
    return Thinking(before, inside)


def open_tail(
    ids: Sequence[int], marker: str, decode: Callable[[Sequence[int]], str]
) -> tuple[int, int] | None:
    """Where an opened turn's token ids end with a start marker and blank space at most.

    Returns how many tokens from the end the marker's first and last tokens are (1: the last
    token); None where the turn does not end so.
    """
    for first in range(1, len(ids) + 1):
        text = decode(ids[-first:])
        at = text.rfind(marker)
        if at >= 0:
            if text[at + len(marker) :].strip():
                return None
            break
        if len(text.strip()) > 4 * len(marker):
            return None
    else:
        return None
    begin = len(ids) - first
    last = next(
        count for count in range(1, first + 1) if marker in decode(ids[begin : begin + count])
    )
    return first, first - last + 1
