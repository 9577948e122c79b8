"""Labelled scores to calibrate on, in memory and as JSON lines.

A line is {"score": number, "label": number in [0, 1]}; a label is 1 for right (or preferred),
0 for wrong, or a share of judges in between. A line may also say `cluster_id` (labels of one
prompt share it: they are not independent), `domain`, `inclusion_probability` (with which the
sample was chosen for labelling, known and in (0, 1]), `source` (person, oracle, judge) and
`sample_id`, which is not used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from rewardsvc.errors import ConfigError

__all__ = ["LabelledScore", "LabelledScores", "load_labels"]


class LabelledScore(NamedTuple):
    """One raw score and the truth about it."""

    score: float
    label: float
    cluster_id: str = ""
    """Labels of one prompt share it; empty: a cluster of its own."""
    domain: str = ""
    inclusion_probability: float = 1.0
    source: str = ""
    """Who says so: `person`, `oracle`, `judge`, or empty."""


_FIELDS = (*sorted(LabelledScore._fields), "sample_id")


@dataclass(frozen=True, slots=True)
class LabelledScores:
    """Raw scores and their labels, one entry a label in every field.

    `scores` (labels,) is finite; `labels` (labels,) is in [0, 1]. The rest may be left empty:
    every label its own cluster, one domain, inclusion probability 1, source unsaid.

    Raises:
        ValueError: shapes that differ, or a value outside its range; names the field.
    """

    scores: NDArray[np.float64]
    labels: NDArray[np.float64]
    cluster_ids: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    inclusion_probabilities: NDArray[np.float64] | None = None
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.scores.shape != self.labels.shape or self.scores.ndim != 1:
            raise ValueError(
                f"scores and labels must have one shape (labels,), not {self.scores.shape} "
                f"and {self.labels.shape}"
            )
        if not np.isfinite(self.scores).all():
            raise ValueError("scores must be finite")
        if not ((self.labels >= 0) & (self.labels <= 1)).all():
            raise ValueError("labels must be in [0, 1]")
        for name in ("cluster_ids", "domains", "sources"):
            values = getattr(self, name) or ("",) * len(self)
            if len(values) != len(self):
                raise ValueError(f"{name} must have one entry a label: {len(values)}, {len(self)}")
            object.__setattr__(self, name, tuple(values))
        chosen = self.inclusion_probabilities
        chosen = np.ones(len(self)) if chosen is None else np.asarray(chosen, dtype=np.float64)
        if chosen.shape != self.scores.shape or not ((chosen > 0) & (chosen <= 1)).all():
            raise ValueError("inclusion_probabilities must be in (0, 1], one a label")
        object.__setattr__(self, "inclusion_probabilities", chosen)

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def of(cls, rows: Iterable[LabelledScore]) -> LabelledScores:
        """The same, from rows."""
        columns = list(zip(*rows, strict=True)) or [()] * len(LabelledScore._fields)
        score, label, cluster_id, domain, chosen, source = columns
        return cls(
            np.array(score, dtype=np.float64),
            np.array(label, dtype=np.float64),
            cluster_id,
            domain,
            np.array(chosen, dtype=np.float64),
            source,
        )


def load_labels(path: Path) -> LabelledScores:
    """Reads a label file; blank lines are skipped.

    Raises:
        ConfigError: names the file, the line, the field, the value and what is allowed.
    """
    rows = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_parse(line, f"{path}:{number}"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return LabelledScores.of(rows)


def _parse(line: str, where: str) -> LabelledScore:
    def refuse_constant(text: str) -> NoReturn:
        raise ConfigError(f"{where}: {text} is not a number that a score or label can be")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            raise ConfigError(f"{where}: a field stands twice")
        return record

    try:
        record = json.loads(line, parse_constant=refuse_constant, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid JSON: {error}") from None
    if not isinstance(record, dict):
        raise ConfigError(f'{where}: must be an object like {{"score": 0.3, "label": 1}}')
    for field in record:
        if field not in _FIELDS:
            raise ConfigError(f"{where}: {field}: unknown field; allowed: {', '.join(_FIELDS)}")
    score, label = _number(record, "score", where), _number(record, "label", where)
    if not 0 <= label <= 1:
        raise ConfigError(f"{where}: label: is {label!r}; must be in [0, 1]")
    chosen = 1.0
    if "inclusion_probability" in record:
        chosen = _number(record, "inclusion_probability", where)
        if not 0 < chosen <= 1:
            raise ConfigError(f"{where}: inclusion_probability: is {chosen!r}; must be in (0, 1]")
    cluster_id, domain, source = (
        _text(record, field, where) for field in ("cluster_id", "domain", "source")
    )
    return LabelledScore(score, label, cluster_id, domain, chosen, source)


def _text(record: dict[str, Any], field: str, where: str) -> str:
    value = record.get(field, "")
    if not isinstance(value, str):
        raise ConfigError(f"{where}: {field}: is {value!r}; must be a text")
    return value


def _number(record: dict[str, Any], field: str, where: str) -> float:
    if field not in record:
        raise ConfigError(f"{where}: {field}: is missing")
    value = record[field]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{where}: {field}: is {value!r}; must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError(f"{where}: {field}: is not finite as a 64-bit number")
    return number
