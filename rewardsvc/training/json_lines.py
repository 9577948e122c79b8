"""Strict JSON lines: every complaint names the file and the line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from rewardsvc.errors import ConfigError

__all__ = ["finite_number", "read_objects", "text_field"]


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's place (`file:line`) and object; blank lines are skipped.

    Raises:
        ConfigError: the file cannot be read, or a line is not UTF-8, not JSON, not an object,
            has a field twice or a number that is not finite.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    where = f"{path}:{number}"
                    yield where, _parse(line, where)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None


def text_field(record: dict[str, Any], field: str, where: str) -> str:
    """The field's text, which must be there and not blank.

    Raises:
        ConfigError: it is missing, not text, blank, or not encodable (a lone surrogate).
    """
    if field not in record:
        raise ConfigError(f"{where}: {field}: is missing")
    value = record[field]
    if not isinstance(value, str):
        raise ConfigError(f"{where}: {field}: must be text, not {type(value).__name__}")
    if not value.strip():
        raise ConfigError(f"{where}: {field}: is empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{where}: {field}: has half of a surrogate pair") from None
    return value


def finite_number(value: object, where: str) -> float:
    """The value as a float.

    Raises:
        ConfigError: it is not a number, or not finite as a 64-bit one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{where}: must be a number, not {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError(f"{where}: is not finite as a 64-bit number")
    return number


def _parse(line: bytes, where: str) -> dict[str, Any]:
    def refuse_constant(text: str) -> NoReturn:
        raise ConfigError(f"{where}: {text} is not a finite number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            raise ConfigError(f"{where}: a field stands twice")
        return record

    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not UTF-8: byte {error.start} of the line") from None
    try:
        record = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid JSON: {error}") from None
    if not isinstance(record, dict):
        raise ConfigError(f"{where}: must be a JSON object")
    return record
