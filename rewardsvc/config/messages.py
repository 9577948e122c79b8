"""What is wrong with a configuration, in words: the key, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def describe(
    error: ValidationError, model: type[BaseModel], source: str, prefix: tuple[str, ...]
) -> str:
    lines = []
    faults = error.errors(include_url=False)
    for fault in faults:
        # A container complains of having too few valid items; the items say it better.
        if any(
            other["loc"][: len(fault["loc"])] == fault["loc"]
            for other in faults
            if other is not fault
        ):
            continue
        location = (*prefix, *fault["loc"])
        key = _dotted(location)
        if fault["type"] == "extra_forbidden":
            allowed = sorted(_fields_at(model, fault["loc"][:-1]))
            lines.append(
                f"{source}: {key}: unknown key; allowed: {', '.join(allowed)}"
                + suggestion(fault["loc"][-1], allowed)
            )
        elif fault["type"] == "missing":
            lines.append(f"{source}: {key}: is missing")
        else:
            message = fault["msg"][0].lower() + fault["msg"][1:]
            lines.append(f"{source}: {key}: is {fault['input']!r}; {message}")
    return "\n".join(lines)


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def suggestion(value: object, allowed: Sequence[str] | Mapping[str, object]) -> str:
    close = difflib.get_close_matches(str(value), list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _fields_at(annotation: Any, location: Sequence[int | str]) -> Sequence[str]:
    """Names of the fields of the section that `location` leads to, from `annotation`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        if not location:
            return list(fields)
        field = fields.get(str(location[0]))
        return [] if field is None else _fields_at(field.annotation, location[1:])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        for part in arguments:
            if location and location[0] == _tag_of(part):
                return _fields_at(part, location[1:])
        found = [name for part in arguments for name in _fields_at(part, location)]
        return list(dict.fromkeys(found))
    if origin is Annotated:
        return _fields_at(arguments[0], location)
    if location and arguments:
        # A mapping's values or a sequence's items.
        item = arguments[-1] if arguments[-1] is not Ellipsis else arguments[0]
        return _fields_at(item, location[1:])
    return []


def _tag_of(annotation: Any) -> str | None:
    """The value of `kind` that leads to this member of a union; None where it has none."""
    kind = getattr(annotation, "model_fields", {}).get("kind")
    return None if kind is None else kind.default
