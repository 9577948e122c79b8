"""What is wrong with a configuration, in words: the key, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

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
        _, shown = _follow(model, fault["loc"])
        key = _dotted((*prefix, *shown))
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
    sections, _ = _follow(annotation, location)
    return list(dict.fromkeys(name for section in sections for name in section.model_fields))


def _follow(
    annotation: Any, location: Sequence[int | str]
) -> tuple[list[type[BaseModel]], tuple[int | str, ...]]:
    """The sections that `location` may lead to, and the location as the file has it.

    Pydantic names the member of a tagged union on the way, which is no key of the file.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _follow(arguments[0], location)
    if origin in (Union, UnionType):
        for part in arguments:
            if location and location[0] in _tags_of(part):
                return _follow(part, location[1:])
        found = [_follow(part, location) for part in arguments]
        sections = [section for some, _ in found for section in some]
        shown = next((path for some, path in found if some), tuple(location))
        return sections, shown
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not location:
            return [annotation], ()
        field = annotation.model_fields.get(str(location[0]))
        if field is None:
            return [], tuple(location)
        sections, shown = _follow(field.annotation, location[1:])
        return sections, (location[0], *shown)
    if location and arguments:
        # A mapping's values or a sequence's items.
        item = arguments[-1] if arguments[-1] is not Ellipsis else arguments[0]
        sections, shown = _follow(item, location[1:])
        return sections, (location[0], *shown)
    return [], tuple(location)


def _tags_of(annotation: Any) -> set[str]:
    """The values, such as that of `kind`, that lead to this member of a tagged union."""
    fields = getattr(annotation, "model_fields", {}).values()
    return {field.default for field in fields if get_origin(field.annotation) is Literal}
