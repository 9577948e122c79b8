"""Per-member standardisation: (score - mean) / std with statistics frozen on a reference set.

Bradley-Terry scores are defined up to a constant, and members differ in scale, so a minimum
or a variance over raw scores compares offsets. Statistics are made once, on a fixed set of
samples, and kept with the ensemble; never per batch, which would make a sample's score depend
on what it was batched with.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.aggregate.members import Scores, mask_failures
from rewardsvc.errors import ConfigError

__all__ = ["IDENTITY", "MemberStatistics", "Standardisation"]


@dataclass(frozen=True, slots=True)
class MemberStatistics:
    """One member's mean and population standard deviation on the reference set; std > 0."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Standardisation:
    """The frozen statistics of an ensemble; with no members at all, it changes nothing."""

    members: Mapping[str, MemberStatistics] = field(default_factory=dict)
    made_from: str = ""
    """The reference set, in words."""

    @property
    def version(self) -> str:
        """Hash of the statistics; `none` for the identity."""
        if not self.members:
            return "none"
        content = {name: [s.mean, s.std] for name, s in sorted(self.members.items())}
        canonical = json.dumps([content, self.made_from])
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def apply(self, scores: NDArray[np.floating], names: Sequence[str]) -> Scores:
        """Standardises (samples, members) scores whose columns are the members `names`.

        A score that is not finite before or after is NaN.

        Raises:
            KeyError: a name without statistics.
        """
        matrix = mask_failures(scores)
        if not self.members:
            return matrix
        means = np.array([self.members[name].mean for name in names])
        stds = np.array([self.members[name].std for name in names])
        with np.errstate(over="ignore"):
            return mask_failures((matrix - means) / stds)

    @classmethod
    def fit(
        cls, scores: NDArray[np.floating], names: Sequence[str], made_from: str
    ) -> Standardisation:
        """Statistics of the members `names` from their (samples, members) reference scores.

        Raises:
            ConfigError: a member whose scores are not all finite, or do not vary.
        """
        matrix = mask_failures(scores)
        members = {}
        for name, column in zip(names, matrix.T, strict=True):
            mean, std = float(column.mean()), float(column.std())
            if not (math.isfinite(std) and std > 0):
                raise ConfigError(
                    f"member {name} cannot be standardised: its reference scores have "
                    f"standard deviation {std}, which must be finite and > 0"
                )
            members[name] = MemberStatistics(mean, std)
        return cls(members, made_from)

    def to_json(self) -> dict[str, Any]:
        """What `load` reads."""
        return {
            "version": self.version,
            "made_from": self.made_from,
            "members": {n: {"mean": s.mean, "std": s.std} for n, s in self.members.items()},
        }

    @classmethod
    def load(cls, path: Path) -> Standardisation:
        """Reads `{"members": {name: {"mean": x, "std": x > 0}}, "made_from": text}`.

        A `version`, where given, must be that of the content.

        Raises:
            ConfigError: names the file, the key, the value and what is allowed.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{path}: no such file") from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot be read as JSON: {error}") from None
        return cls._parse(content, path)

    @classmethod
    def _parse(cls, content: object, path: Path) -> Standardisation:
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: must be a JSON object")
        for key in content:
            if key not in ("version", "made_from", "members"):
                raise ConfigError(
                    f"{path}: unknown key {key!r}; allowed: version, made_from, members"
                )
        entries = content.get("members")
        if not isinstance(entries, dict) or not entries:
            raise ConfigError(f"{path}: members: must map each member's name to its mean and std")
        made_from = content.get("made_from", "")
        if not isinstance(made_from, str):
            raise ConfigError(f"{path}: made_from: must be text, not {made_from!r}")
        members = {
            name: _statistics(entry, f"{path}: members.{name}") for name, entry in entries.items()
        }
        standardisation = cls(members, made_from)
        stated = content.get("version", standardisation.version)
        if stated != standardisation.version:
            raise ConfigError(
                f"{path}: version: is {stated!r}, but the content's is "
                f"{standardisation.version!r}; the file was changed after it was made"
            )
        return standardisation


IDENTITY = Standardisation()
"""Leaves scores as they are."""


def _statistics(entry: object, where: str) -> MemberStatistics:
    if not isinstance(entry, dict) or set(entry) != {"mean", "std"}:
        raise ConfigError(f"{where}: must have exactly the keys mean and std, not {entry!r}")
    for key, value in entry.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ConfigError(f"{where}.{key}: must be a finite number, not {value!r}")
    if entry["std"] <= 0:
        raise ConfigError(f"{where}.std: must be > 0, not {entry['std']!r}")
    return MemberStatistics(float(entry["mean"]), float(entry["std"]))
