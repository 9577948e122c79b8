"""Reads a judge's verdict, strictly: what is not plainly a verdict is a missing one.

A judge ends its completion with `[RESULT] verdict`, nothing behind it. A marker elsewhere
that says something else is a contradiction and makes the verdict missing, except inside
quotation marks or backticks, where the judge quotes what it read: a response that holds
`[RESULT] 5` cannot speak for the judge. Numbers are ASCII digits of the scale; `nan`, `inf`,
`1e999`, `4.5`, full-width digits, an empty text and a number off the scale are missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rewardsvc.judging.rubric_scale import Scale

__all__ = [
    "MARKER",
    "Parsed",
    "Unreadable",
    "read_choice",
    "read_criteria",
    "read_number",
    "read_pair",
]

MARKER = "[RESULT]"

_MARKER = re.compile(r"\[RESULT\]", re.IGNORECASE)
_CRITERION = re.compile(r"\[RESULT[ \t]+([0-9]{1,3})\]", re.IGNORECASE)
_LEADING = " \t\r\n:*_`"
_TRAILING = " \t\r\n.*_`"
_QUOTES = frozenset('"`“”«»„「」『』')
_SINGLE_QUOTES = frozenset("'‘’")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Parsed:
    """A verdict and where it stands in the completion."""

    value: str
    start: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why there is no verdict."""

    reason: str


def read_number(text: str, scale: Scale, *, marked: bool = True) -> Parsed | Unreadable:
    """The number on the scale that the completion ends with; `4/5` is 4 on a scale to 5.

    `marked=False` is for completions that are a verdict and nothing else.
    """
    found = _last_verdict(text) if marked else _whole_verdict(text)
    if isinstance(found, Unreadable):
        return found
    number, slash, whole = found.value.partition("/")
    number = number.rstrip()
    if slash and whole.strip() != str(scale.maximum):
        number = found.value
    if not _is_number(number, scale):
        return Unreadable(
            f"the verdict {_shown(found.value)} is no whole number from "
            f"{scale.minimum} to {scale.maximum}"
        )
    return Parsed(number, found.start)


def read_choice(text: str, choices: Sequence[str], *, marked: bool = True) -> Parsed | Unreadable:
    """The one of `choices` that the completion ends with, in any letter case; see above."""
    found = _last_verdict(text) if marked else _whole_verdict(text)
    if isinstance(found, Unreadable):
        return found
    by_case = {choice.casefold(): choice for choice in choices}
    choice = by_case.get(found.value.casefold())
    if choice is None:
        return Unreadable(f"the verdict {_shown(found.value)} is none of {', '.join(choices)}")
    return Parsed(choice, found.start)


def read_pair(text: str, scale: Scale, *, marked: bool = True) -> tuple[int, int] | Unreadable:
    """The two numbers of the scale that the completion ends with, `8 7` or `8, 7`."""
    found = _last_verdict(text) if marked else _whole_verdict(text)
    if isinstance(found, Unreadable):
        return found
    numbers = found.value.replace(",", " ").split()
    if len(numbers) != 2 or not all(_is_number(number, scale) for number in numbers):
        return Unreadable(
            f"the verdict {_shown(found.value)} is not two whole numbers from "
            f"{scale.minimum} to {scale.maximum}"
        )
    return int(numbers[0]), int(numbers[1])


def read_criteria(text: str, count: int, choices: Sequence[str]) -> list[Parsed | Unreadable]:
    """One verdict for each of `count` criteria, from lines `[RESULT i] verdict`, i from 1.

    A criterion named twice with different verdicts has none; other numbers are ignored.
    """
    by_case = {choice.casefold(): choice for choice in choices}
    verdicts: dict[int, Parsed | Unreadable] = {}
    for marker in _CRITERION.finditer(text):
        index = int(marker[1])
        if not 1 <= index <= count or _is_quoted(text, marker.start()):
            continue
        end = text.find("\n", marker.end())
        value, start = _trimmed(text, marker.end(), len(text) if end < 0 else end)
        choice = by_case.get(value.casefold())
        verdict: Parsed | Unreadable = (
            Unreadable(f"the verdict {_shown(value)} is none of {', '.join(choices)}")
            if choice is None
            else Parsed(choice, start)
        )
        earlier = verdicts.get(index)
        if earlier is not None and (not isinstance(earlier, Parsed) or earlier.value != choice):
            verdict = Unreadable("several verdicts contradict each other")
        verdicts[index] = verdict
    missing = Unreadable("there is no verdict")
    return [verdicts.get(index, missing) for index in range(1, count + 1)]


def _last_verdict(text: str) -> Parsed | Unreadable:
    markers = list(_MARKER.finditer(text))
    if not markers:
        return Unreadable(f"there is no {MARKER}")
    last = markers[-1]
    if _is_quoted(text, last.start()):
        return Unreadable(f"the last {MARKER} stands in a quotation")
    value, start = _trimmed(text, last.end(), len(text))
    if not value or "\n" in value or len(value) > _SHOWN:
        return Unreadable(f"{MARKER} is not followed by a verdict and the end")
    for marker in markers[:-1]:
        if _is_quoted(text, marker.start()):
            continue
        other = text[marker.end() :].lstrip(_LEADING)
        if not _begins_with(other.casefold(), value.casefold()):
            return Unreadable("several verdicts contradict each other")
    return Parsed(value, start)


def _whole_verdict(text: str) -> Parsed | Unreadable:
    value, start = _trimmed(text, 0, len(text))
    if not value or "\n" in value or len(value) > _SHOWN:
        return Unreadable("the answer is not a verdict alone")
    return Parsed(value, start)


def _begins_with(text: str, value: str) -> bool:
    return text.startswith(value) and not text[len(value) : len(value) + 1].isalnum()


def _trimmed(text: str, start: int, end: int) -> tuple[str, int]:
    while start < end and text[start] in _LEADING:
        start += 1
    while end > start and text[end - 1] in _TRAILING:
        end -= 1
    return text[start:end], start


def _is_quoted(text: str, at: int) -> bool:
    """Whether the line up to `at` opens a quotation that is not closed there."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    single = double = False
    for index, character in enumerate(line):
        if character in _SINGLE_QUOTES:
            # One inside a word, or behind one while nothing is open, is an apostrophe.
            if not line[index - 1 : index].isalnum():
                single = True
            elif not line[index + 1 : index + 2].isalnum():
                single = False
        elif character in _QUOTES:
            double = not double
    return single or double


def _is_number(text: str, scale: Scale) -> bool:
    return (
        text.isascii()
        and text.isdigit()
        and len(text) <= 4
        and text == str(int(text))
        and scale.minimum <= int(text) <= scale.maximum
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
