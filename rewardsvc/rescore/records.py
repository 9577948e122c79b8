"""Lines of a dataset to samples; what cannot be read says where and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rewardsvc.client.samples import sample_of
from rewardsvc.errors import InvalidRequest
from rewardsvc.types import Sample

FIELDS = ("prompt", "response", "reference", "sample_id", "domain", "values")
LONGEST_LINE_BYTES = 64 * 1024 * 1024
"""Longer lines are unreadable: they could not be sent, and must not fill the memory."""


class UnreadableRecord(ValueError):
    """A line that is no sample; the message names the field, the value, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the input: its number, from 1, its bytes, and where the next one starts."""

    number: int
    data: bytes
    end: int


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a file that are not blank, holding one at a time.

    Of a line over LONGEST_LINE_BYTES only the beginning is kept.
    """
    with path.open("rb") as file:
        number = 0
        while data := file.readline(LONGEST_LINE_BYTES + 1):
            number += 1
            while not data.endswith(b"\n") and (rest := file.readline(LONGEST_LINE_BYTES)):
                if rest.endswith(b"\n"):
                    break
            if data.strip():
                yield Line(number, data, file.tell())


def sample_of_line(line: Line, names: Mapping[str, str]) -> Sample:
    """The sample on a line; one without an id is called by its line, as in `line-7`.

    `names` says under which name the dataset keeps each of FIELDS; dots lead into nested
    objects. Other keys of the record are ignored. Raises UnreadableRecord.
    """
    record = _record(line)
    fields = {
        field: value
        for field in FIELDS
        if (value := _find(record, names.get(field, field))) is not None
    }
    for field in ("prompt", "response"):
        if field not in fields:
            raise UnreadableRecord(
                f"{names.get(field, field)}: is missing; every record needs a {field}"
            )
    if isinstance(fields.get("sample_id"), int):
        fields["sample_id"] = str(fields["sample_id"])
    fields["sample_id"] = fields.get("sample_id") or line_id(line)
    try:
        return sample_of(fields, "record")
    except InvalidRequest as error:
        raise UnreadableRecord(str(error).removeprefix("record.")) from None


def line_id(line: Line) -> str:
    """The id of a line without one of its own."""
    return f"line-{line.number}"


def _record(line: Line) -> dict[str, Any]:
    if len(line.data) > LONGEST_LINE_BYTES:
        raise UnreadableRecord(f"is longer than {LONGEST_LINE_BYTES} bytes")
    try:
        text = line.data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableRecord(
            f"is not valid UTF-8: byte {line.data[error.start]:#04x} at offset {error.start}"
        ) from None
    try:
        record = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except UnreadableRecord:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableRecord(f"is not valid JSON: {error}") from None
    if not isinstance(record, dict):
        raise UnreadableRecord("is not a JSON object")
    return record


def _refuse_constant(text: str) -> NoReturn:
    raise UnreadableRecord(f"holds {text}, which is not JSON and no number to score by")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise UnreadableRecord(f"holds {text}, which is too large for a number")
    return value


def _find(record: Mapping[str, Any], name: str) -> Any:
    """The value under a name, which may itself have dots or lead into nested objects."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value
