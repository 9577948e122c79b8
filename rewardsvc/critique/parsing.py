"""Reads a critic's completion, strictly: what is not exactly what was asked for is no vote.

A critique that is garbled, cut off, or names only steps that do not exist is unreadable; it is
never read as "no errors". In free text only the object after the last `VERDICT MARK` counts,
and the mark occurs nowhere in the response, so that a verdict quoted from it does not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

__all__ = ["Critique", "UnreadableCritique", "parse_critique", "well_formed"]


class UnreadableCritique(ValueError):
    """A completion that is no critique; says why, for people."""


@dataclass(frozen=True, slots=True)
class Critique:
    """What one critique says."""

    errors: dict[int, str]
    """What is wrong, by the number (from 1) of each wrong step."""
    answer_is_correct: bool | None
    """None when that was not asked."""
    unknown_steps: tuple[int, ...] = ()
    """Numbers that it called wrong although there are no such steps; they do not count."""

    @property
    def wrong_steps(self) -> frozenset[int]:
        """Numbers of the wrong steps."""
        return frozenset(self.errors)


def parse_critique(
    text: str, finish_reason: str, steps: int, *, asks_for_answer: bool, mark: str | None
) -> Critique:
    """The critique in a completion on a response of `steps` steps.

    With `mark`, the text is free and ends with `VERDICT mark {…}`; without, it is the JSON
    object alone.

    Raises:
        UnreadableCritique: it is not exactly that.
    """
    if finish_reason == "length":
        raise UnreadableCritique("it was cut off at the token limit")
    fields = _fields(_json_text(text, mark), with_review=mark is None, with_answer=asks_for_answer)
    errors: dict[int, str] = {}
    unknown: list[int] = []
    for entry in _list(fields, "wrong_steps"):
        step, error = _wrong_step(entry)
        if 1 <= step <= steps:
            errors[step] = f"{errors[step]}\n{error}" if step in errors else error
        else:
            unknown.append(step)
    if unknown and not errors:
        raise UnreadableCritique(
            f"it calls only steps wrong that do not exist: {_few(unknown)} of {steps}"
        )
    answer = None
    if asks_for_answer:
        said = fields["final_answer"]
        if said not in ("correct", "incorrect"):
            raise UnreadableCritique(f"final_answer is {_short(said)}, not correct or incorrect")
        answer = said == "correct"
    return Critique(errors, answer, tuple(unknown))


def _json_text(text: str, mark: str | None) -> str:
    if mark is None:
        return text
    _, found, rest = text.rpartition(f"VERDICT {mark}")
    if not found:
        raise UnreadableCritique("it has no VERDICT with the mark of the response")
    return rest


def _fields(text: str, *, with_review: bool, with_answer: bool) -> dict[str, Any]:
    try:
        fields = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnreadableCritique:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableCritique(f"it is not the JSON object asked for: {error}") from None
    wanted = {"wrong_steps"}
    if with_review:
        wanted.add("review")
    if with_answer:
        wanted.add("final_answer")
    if not isinstance(fields, dict) or set(fields) != wanted:
        raise UnreadableCritique(f"it is not an object with exactly {', '.join(sorted(wanted))}")
    if with_review and not isinstance(fields["review"], str):
        raise UnreadableCritique("review is not a text")
    return fields


def _wrong_step(entry: object) -> tuple[int, str]:
    if not isinstance(entry, dict) or set(entry) != {"step", "error"}:
        raise UnreadableCritique("an entry of wrong_steps is not an object with step and error")
    step, error = entry["step"], entry["error"]
    if type(step) is not int:  # bool is an int, and 2.0 or "2" is not one
        raise UnreadableCritique(f"the number of a wrong step is {_short(step)}")
    if not isinstance(error, str):
        raise UnreadableCritique("the error of a wrong step is not a text")
    return step, well_formed(error.strip())


def well_formed(text: str) -> str:
    """The text with a question mark for half a character, which no message can carry."""
    return text.encode("utf-8", "replace").decode()


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields[name]
    if not isinstance(value, list):
        raise UnreadableCritique(f"{name} is {_short(value)}, not a list")
    return value


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UnreadableCritique("a key stands twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise UnreadableCritique(f"it holds {name}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _few(numbers: Sequence[int]) -> str:
    return ", ".join(_short(number) for number in numbers[:5])
