"""Checks labels; every complaint names the label, the field, the value and what is allowed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from math import isfinite
from typing import Any, TypeAlias, TypeVar

from rewardsvc.errors import FieldViolation, InvalidRequest
from rewardsvc.labels.types import Label, LabelSource
from rewardsvc.types import Outcome

__all__ = ["LONGEST_TEXT", "LabelLike", "check_labels", "label_of"]

LabelLike: TypeAlias = Label | Mapping[str, Any]
"""A Label, or a mapping with its keys, where source and outcome are their names."""

LONGEST_TEXT = 1_024
"""Most characters of an id or a name."""
MOST_VIOLATIONS = 20
"""Wrong fields that one error names; the rest is left to the next try."""

_TEXTS = ("sample_id", "cluster_id", "stage", "answer_type", "domain")
_KEYS = tuple(field.name for field in dataclasses.fields(Label))
_Name = TypeVar("_Name", bound=StrEnum)


def check_labels(labels: Sequence[Label], where: str = "labels") -> None:
    """Raises InvalidRequest naming the wrong fields of labels, also a label given twice."""
    faults = list(islice(_faults(labels, where), MOST_VIOLATIONS))
    if faults:
        raise InvalidRequest(*faults)


def label_of(value: LabelLike, where: str) -> Label:
    """The label that `value` stands for; raises InvalidRequest for a key or type that is wrong.

    Values are left to `check_labels`.
    """
    if isinstance(value, Label):
        return value
    if not isinstance(value, Mapping):
        raise InvalidRequest.field(
            where, f"is of type {type(value).__name__}; must be a Label or a mapping with its keys"
        )
    for key in value:
        if key not in _KEYS:
            raise InvalidRequest.field(
                f"{where}.{key}", f"is an unknown key; allowed: {', '.join(_KEYS)}"
            )
    for key in ("sample_id", "value"):
        if key not in value:
            raise InvalidRequest.field(f"{where}.{key}", "is missing; every label needs it")
    given = {key: item for key, item in value.items() if item is not None}
    for key in _TEXTS:
        if key in given and not isinstance(given[key], str):
            raise InvalidRequest.field(f"{where}.{key}", f"is {given[key]!r}; must be a text")
    for key in ("value", "score", "inclusion_probability"):
        if key in given:
            given[key] = _number(given[key], f"{where}.{key}")
    if "source" in given:
        given["source"] = _named(given["source"], LabelSource, f"{where}.source")
    if "outcome" in given:
        given["outcome"] = _named(given["outcome"], Outcome, f"{where}.outcome")
    return Label(**given)


def _faults(labels: Iterable[Label], where: str) -> Iterator[FieldViolation]:
    places: dict[tuple[str, LabelSource], int] = {}
    for index, label in enumerate(labels):
        path = f"{where}[{index}]"
        # Written so that nan is refused too.
        if not 0 <= label.value <= 1:
            yield FieldViolation(f"{path}.value", f"is {label.value}; must be in [0, 1]")
        if label.score is not None and not isfinite(label.score):
            yield FieldViolation(f"{path}.score", f"is {label.score}; must be a finite number")
        if not 0 < label.inclusion_probability <= 1:
            yield FieldViolation(
                f"{path}.inclusion_probability",
                f"is {label.inclusion_probability}; must be in (0, 1]: the probability with which "
                "the sample was chosen for labelling, 1 when every sample was labelled",
            )
        if not label.sample_id:
            yield FieldViolation(f"{path}.sample_id", "is empty; every label names its sample")
        for name in _TEXTS:
            text: str = getattr(label, name)
            if len(text) > LONGEST_TEXT:
                yield FieldViolation(
                    f"{path}.{name}", f"has {len(text)} characters; at most {LONGEST_TEXT}"
                )
            elif "\0" in text:
                yield FieldViolation(f"{path}.{name}", "holds a NUL character")
        first = places.setdefault((label.sample_id, label.source), index)
        if first != index:
            yield FieldViolation(
                f"{path}.sample_id",
                f"{label.sample_id[:80]!r} is labelled by {where}[{first}] already, from the same "
                f"source ({label.source})",
            )


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest.field(where, f"is {value!r}; must be a number")
    try:
        return float(value)
    except OverflowError:
        raise InvalidRequest.field(where, "is too large for a 64-bit number") from None


def _named(value: Any, names: type[_Name], where: str) -> _Name:
    try:
        return names(value)
    except ValueError:
        raise InvalidRequest.field(
            where, f"is {value!r}; allowed: {', '.join(name.value for name in names)}"
        ) from None
