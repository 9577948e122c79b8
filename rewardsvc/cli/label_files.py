"""Label files: JSON lines, joined with the results that the labels are about."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from rewardsvc.errors import ConfigError, InvalidRequest
from rewardsvc.labels.checking import label_of
from rewardsvc.labels.types import Label

_FROM_VERDICT = ("outcome", "stage", "answer_type")


def labels_in(source: Path, results: Path | None = None, scorer: str = "") -> list[Label]:
    """The labels of a file; what they do not say is taken from results, by sample id.

    Raises:
        ConfigError: names the file, the line, the field, the value and what is allowed.
    """
    known = {} if results is None else _results(results, scorer)
    labels = []
    for number, record in _records(source):
        where = f"{source}:{number}"
        facts = known.get(str(record.get("sample_id")), {})
        if results is not None and not facts:
            raise ConfigError(
                f"{where}: sample_id: {record.get('sample_id')!r} is not in {results}"
            )
        try:
            labels.append(label_of({**facts, **record}, where))
        except InvalidRequest as error:
            raise ConfigError(error.message) from None
    return labels


def _results(path: Path, scorer: str) -> dict[str, dict[str, Any]]:
    """What each result says of its sample, by sample id."""
    return {str(record.get("sample_id")): _facts(record, scorer) for _, record in _records(path)}


def _facts(record: Mapping[str, Any], scorer: str) -> dict[str, Any]:
    components = record.get("components") or ()
    said = next((part for part in components if scorer and part.get("name") == scorer), record)
    verdict = said.get("verdict") or {}
    facts = {name: verdict[name] for name in _FROM_VERDICT if verdict.get(name)}
    return {"score": said.get("score"), **facts}


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file with their line numbers; blank lines are skipped."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _record(line, f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _record(line: str, where: str) -> dict[str, Any]:
    def refuse(text: str) -> NoReturn:
        raise ConfigError(f"{where}: holds {text}, which is no number")

    try:
        record = json.loads(line, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: is not valid JSON: {error}") from None
    if not isinstance(record, dict):
        raise ConfigError(f'{where}: must be an object like {{"sample_id": "7", "value": 1}}')
    return record
