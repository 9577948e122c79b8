"""The learned objective: member weights and a calibration fitted on labels.

The other objectives treat members alike, which is right for members trained alike and wrong
for unequal ones: a uniform mean of a good model and five poor ones is worse than the good one.
This one is, for one sample with raw member scores r_1 … r_k,

    z_m   = (r_m − mean_m) / std_m            frozen statistics of the labelled scores
    s     = Σ_m w_m z_m                       Σ_m |w_m| = 1
    value = slope · s + intercept             log-odds that the response is right

The value is a function of one sample's member scores only. Centring or ranking within the
prompt, which the fit may use (`learned_fit`), cannot be part of it: a request may carry one
response, and a reward must not depend on what it was sent with.

A missing member (NaN): s = (Σ_present w_m z_m) · (Σ_all |w_m| / Σ_present |w_m|), that is, the
missing members are taken to say what the present ones say on average; where no member with a
weight is present, the value is NaN. The calibration was fitted with all members present, so
with some missing the log-odds claim somewhat too much.

It takes raw scores, not standardised ones: its statistics are its own. The intercept holds the
share of right responses among the labels; elsewhere the order of the values stands, their level
does not. Sources: stacking (Wolpert 1992; Breiman 1996, non-negative weights), Platt scaling
(Platt 1999).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from rewardsvc.aggregate.members import Scores, mask_failures
from rewardsvc.errors import ConfigError

__all__ = ["LearnedMember", "LearnedObjective", "load_objective"]

_FORMAT = "rewardsvc.learned_objective/1"
_KEYS = ("format", "version", "made_from", "members", "slope", "intercept", "fit")


@dataclass(frozen=True, slots=True)
class LearnedMember:
    """One member: statistics of its raw scores among the labels (std > 0), and its weight."""

    name: str
    mean: float
    std: float
    weight: float


@dataclass(frozen=True, slots=True)
class LearnedObjective:
    """A fitted objective; call it with raw scores, shape (samples, members), for (samples,).

    The columns are `members` in order. `slope` is > 0. `fit` says what the fit saw and chose.
    """

    members: tuple[LearnedMember, ...]
    slope: float
    intercept: float
    made_from: str = ""
    fit: Mapping[str, Any] = field(default_factory=dict)

    name: ClassVar[str] = "learned"

    def __call__(self, raw: NDArray[np.floating]) -> Scores:
        """Log-odds that each response is right, (samples,); NaN where no member speaks.

        Raises:
            ValueError: `raw` does not have one column a member.
        """
        return self.slope * self.weighted(raw) + self.intercept

    def probability(self, raw: NDArray[np.floating]) -> Scores:
        """The calibrated probability that each response is right, (samples,), in (0, 1)."""
        return np.asarray(0.5 * (1.0 + np.tanh(self(raw) / 2.0)))

    def weighted(self, raw: NDArray[np.floating]) -> Scores:
        """s of the module's formula, (samples,): the weighted standardised scores."""
        matrix = mask_failures(raw)
        if matrix.shape[1] != len(self.members):
            raise ValueError(
                f"scores of {len(self.members)} members are needed, not of {matrix.shape[1]}"
            )
        mean, std, weight = (
            np.array([getattr(member, name) for member in self.members], dtype=np.float64)
            for name in ("mean", "std", "weight")
        )
        with np.errstate(over="ignore", invalid="ignore"):
            standardised = mask_failures((matrix - mean) / std)
        present = np.isfinite(standardised)
        total = np.where(present, standardised * weight, 0.0).sum(axis=1)
        heard = (present * np.abs(weight)).sum(axis=1)
        complete = present.all(axis=1)
        factor = np.abs(weight).sum() / np.where(heard > 0, heard, np.nan)
        return np.asarray(np.where(complete, total, total * factor))

    @property
    def version(self) -> str:
        """Hash of everything that decides a value."""
        content = [
            [[m.name, m.mean, m.std, m.weight] for m in sorted(self.members, key=_name)],
            self.slope,
            self.intercept,
        ]
        return f"learned-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}"

    def for_members(self, names: Sequence[str]) -> LearnedObjective:
        """The same objective with its columns in the order of `names`.

        Raises:
            ConfigError: `names` are not the members it was fitted on.
        """
        known = {member.name: member for member in self.members}
        unknown = [name for name in names if name not in known]
        absent = [name for name in known if name not in names]
        if unknown or absent:
            told = [
                *([f"has no weight for {', '.join(unknown)}"] if unknown else []),
                *([f"was fitted with {', '.join(absent)}, which is missing"] if absent else []),
            ]
            raise ConfigError(
                f"the learned objective {' and '.join(told)}; the members must be those it was "
                f"fitted on: {', '.join(known)}"
            )
        return replace(self, members=tuple(known[name] for name in names))

    def to_json(self) -> dict[str, Any]:
        """What `load` reads."""
        return {
            "format": _FORMAT,
            "version": self.version,
            "made_from": self.made_from,
            "members": {
                m.name: {"mean": m.mean, "std": m.std, "weight": m.weight} for m in self.members
            },
            "slope": self.slope,
            "intercept": self.intercept,
            "fit": dict(self.fit),
        }

    def save(self, path: Path) -> None:
        """Writes `to_json` as strict JSON: a number that is not finite is refused."""
        text = json.dumps(self.to_json(), indent=2, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> LearnedObjective:
        """Reads what `save` wrote; plain JSON, no pickle.

        Raises:
            ConfigError: names the file, the key, the value and what is allowed.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse(path))
        except FileNotFoundError:
            raise ConfigError(f"{path}: no such file") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: cannot be read as JSON: {error}") from None
        return _parse(content, path)


def load_objective(path: Path, members: Sequence[str]) -> LearnedObjective:
    """The objective in the file `path`, for raw scores whose columns are `members`.

    The result maps raw scores (samples, members) to log-odds (samples,), and its
    `probability` to calibrated probabilities; `version` identifies it.

    Raises:
        ConfigError: the file cannot be used, or was fitted on other members.
    """
    objective = LearnedObjective.load(path)
    try:
        return objective.for_members(members)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}") from None


def _name(member: LearnedMember) -> str:
    return member.name


def _refuse(path: Path) -> Any:
    def refuse(text: str) -> NoReturn:
        raise ConfigError(f"{path}: {text} stands where a finite number must")

    return refuse


def _parse(content: object, path: Path) -> LearnedObjective:
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a JSON object")
    for key in content:
        if key not in _KEYS:
            raise ConfigError(f"{path}: unknown key {key!r}; allowed: {', '.join(_KEYS)}")
    if content.get("format") != _FORMAT:
        raise ConfigError(f"{path}: format: is {content.get('format')!r}; must be {_FORMAT!r}")
    entries = content.get("members")
    if not isinstance(entries, dict) or not entries:
        raise ConfigError(
            f"{path}: members: must map each member's name to its mean, std and weight"
        )
    members = tuple(_member(name, entry, f"{path}: members") for name, entry in entries.items())
    if all(member.weight == 0 for member in members):
        raise ConfigError(f"{path}: members: every weight is 0")
    slope = _finite(content.get("slope"), f"{path}: slope")
    if slope <= 0:
        raise ConfigError(f"{path}: slope: must be > 0, not {slope!r}")
    made_from, fit = content.get("made_from", ""), content.get("fit", {})
    if not isinstance(made_from, str):
        raise ConfigError(f"{path}: made_from: must be text, not {made_from!r}")
    if not isinstance(fit, dict):
        raise ConfigError(f"{path}: fit: must be an object, not {fit!r}")
    intercept = _finite(content.get("intercept"), f"{path}: intercept")
    objective = LearnedObjective(members, slope, intercept, made_from, fit)
    if content.get("version") != objective.version:
        raise ConfigError(
            f"{path}: version: is {content.get('version')!r}, but the content's is "
            f"{objective.version!r}; the file was changed after it was made"
        )
    return objective


def _member(name: str, entry: object, where: str) -> LearnedMember:
    if not isinstance(entry, dict) or set(entry) != {"mean", "std", "weight"}:
        raise ConfigError(
            f"{where}.{name}: must have exactly the keys mean, std and weight, not {entry!r}"
        )
    values = {key: _finite(value, f"{where}.{name}.{key}") for key, value in entry.items()}
    if values["std"] <= 0:
        raise ConfigError(f"{where}.{name}.std: must be > 0, not {values['std']!r}")
    return LearnedMember(name, **values)


def _finite(value: object, where: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):  # type: ignore[arg-type]
        raise ConfigError(f"{where}: must be a finite number, not {value!r}")
    return float(value)  # type: ignore[arg-type]
