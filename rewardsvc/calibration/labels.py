"""Labelled scores to calibrate on: JSON lines of {"score": number, "label": number in [0, 1]}.

A label is 1 for right (or preferred), 0 for wrong, or a share of judges in between. A line
may also have a `sample_id`, which is not used.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rewardsvc.errors import ConfigError

__all__ = ["LabelledScores", "load_labels"]

_FIELDS = ("label", "sample_id", "score")


@dataclass(frozen=True, slots=True)
class LabelledScores:
    """Raw scores and their labels, each of shape (labels,); labels are in [0, 1]."""

    scores: NDArray[np.float64]
    labels: NDArray[np.float64]

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

    def __len__(self) -> int:
        return len(self.scores)


def load_labels(path: Path) -> LabelledScores:
    """Reads a label file; blank lines are skipped.

    Raises:
        ConfigError: names the file, the line, the field, the value and what is allowed.
    """
    scores, labels = [], []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    score, label = _parse(line, f"{path}:{number}")
                    scores.append(score)
                    labels.append(label)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return LabelledScores(np.array(scores, dtype=np.float64), np.array(labels, dtype=np.float64))


def _parse(line: str, where: str) -> tuple[float, float]:
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
    return score, label


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
