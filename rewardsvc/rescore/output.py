"""The output file: one JSON object a sample, appended whole, so that a run can be resumed."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from rewardsvc.errors import ConfigError
from rewardsvc.types import Result


def json_of(result: Result) -> dict[str, Any]:
    """A result as plain JSON; what is absent is null, never 0."""
    timing = result.timing
    return {
        "sample_id": result.sample_id,
        "status": result.status.value,
        "reason": result.reason,
        "reward": result.reward,
        "score": result.score,
        "confidence": _plain(result.confidence),
        "verdict": _plain(result.verdict),
        "members": [_plain(member) for member in result.members],
        "disagreement": result.disagreement,
        "steps": [_plain(step) for step in result.steps],
        "components": [_plain(component) for component in result.components],
        "noise": _plain(result.noise),
        "do_not_group_normalise": result.do_not_group_normalise,
        "versions": dict(result.versions),
        "timing": {
            "queue_seconds": timing.queue_seconds,
            "inference_seconds": timing.inference_seconds,
        },
        "evidence": _plain(result.evidence),
        "shaping": [_plain(term) for term in result.shaping],
    }


def _plain(value: Any) -> Any:
    """Our types as plain JSON, field by field."""
    kind: type = type(value)
    if kind in _AS_THEY_ARE:
        return value
    names = _NAMES.get(kind)
    if names is None:
        names = tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
        _NAMES[kind] = names
    if names:
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(item) for item in value]


_AS_THEY_ARE = frozenset({str, float, int, bool, type(None)})
_NAMES: dict[type, tuple[str, ...]] = {}


class Claim(Enum):
    """What taking an id for a sample of the input came to."""

    NEW = "new"
    HELD = "held"
    """The output holds its result already."""
    REPEATED = "repeated"
    """An earlier sample of the input has the same id."""


class OutputFile:
    """Appends results; knows which ids it already holds, without holding them in memory.

    A last line that was torn by a crash is cut off on opening. Raises ConfigError for a file
    that holds anything else than results.
    """

    def __init__(self, path: Path) -> None:
        self._ids = _Ids()
        if path.exists():
            _cut_torn_line(path)
            self._read(path)
        # Unbuffered: every line is one append, complete in the file when the call returns.
        self._file = path.open("ab", buffering=0)

    def claim(self, sample_id: str) -> Claim:
        """Takes an id for a sample of the input, once."""
        return self._ids.claim(sample_id)

    def write(self, result: Result) -> None:
        """Appends one result."""
        line = json.dumps(json_of(result), ensure_ascii=False, allow_nan=False)
        self._file.write(line.encode("utf-8", "surrogatepass") + b"\n")

    def close(self) -> None:
        """Closes the file; idempotent."""
        self._file.close()
        self._ids.close()

    def _read(self, path: Path) -> None:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    sample_id = json.loads(line)["sample_id"]
                except (ValueError, KeyError, TypeError):
                    raise ConfigError(
                        f"{path}:{number}: is not a result; to resume, the output must hold "
                        "results only"
                    ) from None
                self._ids.hold(str(sample_id))


class _Ids:
    """Ids and whether the input had them already, in a file: they may be millions."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rewardsvc-ids-")
        self._database = sqlite3.connect(f"{self._folder.name}/ids", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE ids (id BLOB PRIMARY KEY, claimed INTEGER) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)

    def hold(self, sample_id: str) -> None:
        """Notes an id of the output."""
        self._insert(sample_id, claimed=False)

    def claim(self, sample_id: str) -> Claim:
        """Notes an id of the input."""
        if self._insert(sample_id, claimed=True):
            return Claim.NEW
        mark = "UPDATE ids SET claimed = 1 WHERE id = ? AND NOT claimed"
        marked = self._database.execute(mark, (_bytes(sample_id),))
        return Claim.HELD if marked.rowcount else Claim.REPEATED

    def close(self) -> None:
        """Forgets them; idempotent."""
        self._database.close()
        self._folder.cleanup()

    def _insert(self, sample_id: str, *, claimed: bool) -> bool:
        insert = "INSERT OR IGNORE INTO ids VALUES (?, ?)"
        return self._database.execute(insert, (_bytes(sample_id), claimed)).rowcount == 1


def _bytes(sample_id: str) -> bytes:
    return sample_id.encode("utf-8", "surrogatepass")


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as file:
        end = file.seek(0, 2)
        position = end
        while position > 0:
            start = max(0, position - 65_536)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                position = start + newline + 1
                break
            position = start
        if position < end:
            file.truncate(position)
