"""Reading rows field by field, with errors that name the field, the value and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class FormatError(ValueError):
    """A row is not of the format; the message names the field."""


def field(row: Mapping[str, Any], name: str, kind: type | tuple[type, ...], what: str) -> Any:
    """A field that must be there and of a kind."""
    if not isinstance(row, Mapping):
        raise FormatError(f"{what}: a row must be a mapping, got {type(row).__name__}")
    if name not in row:
        raise FormatError(f"{what}: field {name!r} is missing; present: {sorted(map(str, row))}")
    value = row[name]
    if not isinstance(value, kind):
        wanted = kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
        raise FormatError(
            f"{what}: field {name!r} must be {wanted}, got {type(value).__name__}: {value!r:.80}"
        )
    return value


def parsed(value: Any, name: str, what: str) -> Any:
    """JSON text parsed; anything that is not text is returned as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what}: field {name!r} is not JSON ({error}): {value!r:.80}") from None


def pairs(cases: Mapping[str, Any], what: str, maximum: int | None) -> list[tuple[Any, Any]]:
    """The parallel lists `inputs` and `outputs`, as pairs."""
    inputs = field(cases, "inputs", (list, tuple), what)
    outputs = field(cases, "outputs", (list, tuple), what)
    if len(inputs) != len(outputs):
        raise FormatError(f"{what}: {len(inputs)} inputs but {len(outputs)} outputs")
    if not inputs:
        raise FormatError(f"{what}: field 'inputs' is empty; at least one test is needed")
    return list(zip(inputs, outputs, strict=True))[:maximum]
