"""A versioned estimate of a verifier's noise: rates by stage, answer type and domain.

An immutable value that goes to plain JSON and back strictly (schema, exactly the known keys,
finite numbers, a version that is the hash of the content). What a result carries, the
corrected reward and the forward weight of one verdict, comes from `noise`. A cell whose Youden
index is not surely positive is disabled: its verdicts must not become rewards, and `reason`
says why.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from rewardsvc.errors import ConfigError
from rewardsvc.noise.channel import Channel
from rewardsvc.noise.rates import RateEstimate, youden_of
from rewardsvc.strict_json import StrictReader
from rewardsvc.types import Noise

__all__ = ["SCHEMA", "NoiseCell", "NoiseEstimate"]

SCHEMA = "rewardsvc.noise/1"


@dataclass(frozen=True, slots=True)
class NoiseCell:
    """The rates of one kind of sample; an empty stage, answer type or domain means all."""

    false_positive_rate: RateEstimate
    """P(accepted | wrong)."""
    false_negative_rate: RateEstimate
    """P(rejected | right)."""
    stage: str = ""
    answer_type: str = ""
    domain: str = ""
    borrowed: str = ""
    """What few labels were filled up with, in words; empty: nothing."""

    @property
    def key(self) -> tuple[str, str, str]:
        """(stage, answer_type, domain)."""
        return self.stage, self.answer_type, self.domain

    @property
    def youden(self) -> RateEstimate:
        """Youden's index with its interval."""
        return youden_of(self.false_positive_rate, self.false_negative_rate)

    @property
    def enabled(self) -> bool:
        """Whether Youden's index is surely positive: its lower bound is above 0."""
        return self.youden.lower > 0

    @property
    def reason(self) -> str:
        """Why verdicts of this kind are not used; empty when they are."""
        if self.enabled:
            return ""
        youden = self.youden
        names = ("stage", "answer type", "domain")
        kind = ", ".join(f"{n} {v}" for n, v in zip(names, self.key, strict=True) if v)
        return (
            f"the verifier is disabled{f' for {kind}' if kind else ''}: its verdicts are not "
            f"surely better than chance (Youden index {youden.rate:.3f}, interval "
            f"[{youden.lower:.3f}, {youden.upper:.3f}], {youden.labels:.0f} labels)"
        )


@dataclass(frozen=True)
class NoiseEstimate:
    """The rates of one verifier; the cell of everything, all keys empty, is always there.

    Raises:
        ValueError: no cell of everything, two cells of one kind, or a rate out of range.
    """

    verifier: str
    cells: tuple[NoiseCell, ...]
    method: str = "audit"
    """`audit`, `appeals`, or whatever else the rates come from."""
    level: float = 0.9
    """Confidence level of the intervals."""
    labels: int = 0
    """Audited verdicts behind it, counted as they are."""
    acceptance_rate: float | None = None
    """Estimated share of accepted verdicts among all, where known."""
    true_rate: float | None = None
    """Estimated share of right responses among all, where known."""
    updates: int = 1
    """Batches smoothed into it."""
    warnings: tuple[str, ...] = field(default=())
    fitted_at: str = ""
    """ISO 8601, with time zone; whoever estimates says it. Not part of the version."""

    def __post_init__(self) -> None:
        keys = [cell.key for cell in self.cells]
        if ("", "", "") not in keys:
            raise ValueError("cells: the one of everything, with empty keys, is missing")
        if len(set(keys)) != len(keys):
            raise ValueError("cells: two have the same stage, answer type and domain")
        for cell in self.cells:
            for name in _RATES:
                _check_rate(f"cell {cell.key}: {name}", getattr(cell, name))
        if self.fitted_at:
            datetime.fromisoformat(self.fitted_at)

    def cell(self, stage: str = "", answer_type: str = "", domain: str = "") -> NoiseCell:
        """The narrowest cell that this kind of sample falls in; never fails.

        Of equally narrow ones, the stage counts most, then the answer type.
        """
        for key in _ever_wider(stage, answer_type, domain):
            if key in self._by_key:
                return self._by_key[key]
        raise AssertionError("the cell of everything is always there")

    def noise(
        self, accepted: bool, stage: str = "", answer_type: str = "", domain: str = ""
    ) -> Noise:
        """The channel of one verdict, its corrected reward and forward weight.

        The latter two are None where the cell is disabled (`cell(...).reason` says why).
        """
        cell = self.cell(stage, answer_type, domain)
        rates = (cell.false_positive_rate.rate, cell.false_negative_rate.rate)
        if not cell.enabled:
            return Noise(*rates, None, None, self.version)
        channel, reward = Channel(*rates), np.array(float(accepted))
        return Noise(
            *rates, float(channel.backward(reward)), float(channel.forward(reward)), self.version
        )

    @cached_property
    def version(self) -> str:
        """Hash of all content but `fitted_at`: equal estimates have equal versions."""
        content = {key: value for key, value in self._content().items() if key != "fitted_at"}
        canonical = json.dumps(content, sort_keys=True, allow_nan=False)
        return f"noise-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"

    def to_json(self) -> dict[str, Any]:
        """Everything `from_json` needs, as plain JSON."""
        return {"schema": SCHEMA, "version": self.version, **self._content()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> NoiseEstimate:
        """The estimate that `to_json` wrote.

        Raises:
            ConfigError: the content is not such an estimate, or was changed; names the key.
        """
        reader = StrictReader(content, "noise estimate", SCHEMA)
        reader.only({"schema", "version", *_KEYS})
        try:
            estimate = cls(
                verifier=reader.text("verifier"),
                cells=tuple(_cell(each) for each in reader.objects("cells")),
                method=reader.text("method"),
                level=reader.number("level"),
                labels=reader.count("labels"),
                acceptance_rate=reader.number_or_none("acceptance_rate"),
                true_rate=reader.number_or_none("true_rate"),
                updates=reader.count("updates"),
                warnings=reader.lines("warnings"),
                fitted_at=reader.text("fitted_at"),
            )
        except ValueError as error:
            raise ConfigError(f"noise estimate: {error}") from None
        if reader.text("version") != estimate.version:
            raise ConfigError(
                f"noise estimate: version is {reader.text('version')!r}, but its content's is "
                f"{estimate.version!r}: it was changed after it was made"
            )
        return estimate

    def _content(self) -> dict[str, Any]:
        plain = {key: getattr(self, key) for key in _KEYS if key not in ("cells", "warnings")}
        cells = [
            {
                **{name: getattr(cell, name)._asdict() for name in _RATES},
                **{name: getattr(cell, name) for name in _TEXTS},
            }
            for cell in self.cells
        ]
        return {**plain, "cells": cells, "warnings": list(self.warnings)}

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str], NoiseCell]:
        return {cell.key: cell for cell in self.cells}


_RATES = ("false_positive_rate", "false_negative_rate")
_TEXTS = ("stage", "answer_type", "domain", "borrowed")
_KEYS = tuple(NoiseEstimate.__dataclass_fields__)


def _ever_wider(stage: str, answer_type: str, domain: str) -> list[tuple[str, str, str]]:
    """The keys of the cells a sample falls in, narrowest first."""
    keys = {(s, t, d) for s in (stage, "") for t in (answer_type, "") for d in (domain, "")}
    return sorted(keys, key=lambda key: (-sum(map(bool, key)), [not part for part in key]))


def _cell(reader: StrictReader) -> NoiseCell:
    reader.only({*_RATES, *_TEXTS})
    false_positive_rate, false_negative_rate = (_rate(reader.object(name)) for name in _RATES)
    return NoiseCell(
        false_positive_rate, false_negative_rate, *(reader.text(name) for name in _TEXTS)
    )


def _rate(reader: StrictReader) -> RateEstimate:
    reader.only(RateEstimate._fields)
    return RateEstimate(*(reader.number(name) for name in RateEstimate._fields))


def _check_rate(name: str, rate: RateEstimate) -> None:
    if not 0 <= rate.lower <= rate.rate <= rate.upper <= 1:
        raise ValueError(f"{name}: must have 0 <= lower <= rate <= upper <= 1, not {rate}")
    if not 0 <= rate.labels < float("inf"):
        raise ValueError(f"{name}: labels is {rate.labels}; must be finite and >= 0")
