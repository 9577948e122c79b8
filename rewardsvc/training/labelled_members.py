"""Labelled member scores: JSON lines of {"prompt": …, "members": {name: score}, "label": 0..1}.

`prompt` (text or messages) only groups responses to one prompt. A member that is missing from
a line, or null, has no score there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.errors import ConfigError
from rewardsvc.training.json_lines import finite_number, read_objects

__all__ = ["LabelledMembers", "load_labelled_members"]


@dataclass(frozen=True, slots=True)
class LabelledMembers:
    """Raw scores (samples, members) with NaN where missing, labels (samples,), and prompts."""

    names: tuple[str, ...]
    scores: NDArray[np.float64]
    labels: NDArray[np.float64]
    prompts: tuple[str, ...]


def load_labelled_members(path: Path) -> LabelledMembers:
    """Reads labelled member scores; the members are those of any line, in order of appearance.

    Raises:
        ConfigError: names the file, the line, the field, the value and what is allowed.
    """
    names: dict[str, int] = {}
    rows: list[dict[str, float]] = []
    labels: list[float] = []
    prompts: list[str] = []
    for where, record in read_objects(path):
        members = record.get("members")
        if not isinstance(members, dict) or not members:
            raise ConfigError(f"{where}: members: must map each member's name to its score")
        row = {}
        for name, score in members.items():
            names.setdefault(name, len(names))
            if score is not None:
                row[name] = finite_number(score, f"{where}: members.{name}")
        rows.append(row)
        labels.append(_label(record, where))
        prompts.append(_prompt(record, where))
    if not rows:
        raise ConfigError(f"{path}: has no labelled scores")
    scores = np.array([[row.get(name, np.nan) for name in names] for row in rows])
    return LabelledMembers(tuple(names), scores, np.array(labels), tuple(prompts))


def _label(record: dict[str, Any], where: str) -> float:
    if "label" not in record:
        raise ConfigError(f"{where}: label: is missing")
    value = record["label"]
    label = float(value) if isinstance(value, bool) else finite_number(value, f"{where}: label")
    if not 0 <= label <= 1:
        raise ConfigError(f"{where}: label: is {label!r}; must be in [0, 1]")
    return label


def _prompt(record: dict[str, Any], where: str) -> str:
    prompt = record.get("prompt")
    if isinstance(prompt, str) and prompt:
        return prompt
    if isinstance(prompt, list) and prompt:
        return json.dumps(prompt, sort_keys=True)
    raise ConfigError(f"{where}: prompt: must be text or a list of messages, not {prompt!r}")
