"""How often a verdict is wrong: error rates by stage and answer type, with intervals.

Counts come from labelled pairs: those that the project generates (shipped in `rates.json`,
made by `python -m rewardsvc_verifiers.math.rates_script`) and those that a deployment records
(`ErrorRates.update`). For a cell with k errors in n decided pairs the rate has a Beta(k + 1/2,
n - k + 1/2) posterior (Jeffreys prior); the estimate is its mean, the interval its 5 % and
95 % quantiles (Brown, Cai, DasGupta 2001, "Interval estimation for a binomial proportion").

A false positive is a `correct` verdict on a wrong answer; its rate is over the wrong answers
that the stage decided. A false negative is an `incorrect` verdict on a right answer, over the
right answers that the stage decided. Undecided pairs belong to neither.

Generated labels say how the verifier fares on what the generator thinks of. Rates on a
model's answers differ: record labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

from rewardsvc_verifiers.math.incomplete_beta import beta_quantile

LEVEL: Final = 0.90
#: A cell with fewer decided pairs on one side than this borrows from wider ones.
MINIMUM_COUNT: Final = 20


class Rate(NamedTuple):
    """One error rate: `errors` among `decided` pairs."""

    estimate: float
    lower: float
    upper: float
    errors: int
    decided: int


class CellRates(NamedTuple):
    """Both error rates of one cell."""

    false_positive_rate: Rate
    false_negative_rate: Rate
    stage: str
    answer_type: str
    scope: str
    """What the counts are of: `stage and type`, `type`, `stage` or `all`."""
    version: str


class Label(NamedTuple):
    """One recorded truth about one verdict."""

    stage: str
    answer_type: str
    verdict_correct: bool
    """Whether the verdict was `correct` (else `incorrect`); undecided ones are not labels."""
    truly_correct: bool


class Counts(NamedTuple):
    """Decided pairs of one cell."""

    true_positives: int = 0
    false_positives: int = 0
    true_negatives: int = 0
    false_negatives: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


@lru_cache(maxsize=4096)
def rate(errors: int, count: int, level: float = LEVEL) -> Rate:
    """Mean and equal-tailed interval of Beta(errors + 1/2, count - errors + 1/2)."""
    if not 0 <= errors <= count:
        raise ValueError(f"errors is {errors} of {count}; it must lie between 0 and the count")
    a, b = errors + 0.5, count - errors + 0.5
    tail = (1 - level) / 2
    lower = 0.0 if errors == 0 else beta_quantile(tail, a, b)
    upper = 1.0 if errors == count else beta_quantile(1 - tail, a, b)
    return Rate(a / (a + b), lower, upper, errors, count)


@dataclass(slots=True)
class ErrorRates:
    """Counts by (stage, answer type), and a version that names where they came from."""

    version: str
    cells: dict[tuple[str, str], Counts] = field(default_factory=dict)

    def update(self, labels: Iterable[Label], version: str | None = None) -> ErrorRates:
        """New rates with recorded labels added; these stay as they are."""
        cells = dict(self.cells)
        added = 0
        for label in labels:
            key = (label.stage, label.answer_type)
            cells[key] = cells.get(key, Counts()).plus(_count_of(label))
            added += 1
        return ErrorRates(version or f"{self.version}+{added}", cells)

    def merge(self, other: ErrorRates, version: str | None = None) -> ErrorRates:
        """New rates with the counts of both."""
        cells = dict(self.cells)
        for key, counts in other.cells.items():
            cells[key] = cells.get(key, Counts()).plus(counts)
        return ErrorRates(version or f"{self.version}+{other.version}", cells)

    def lookup(self, stage: str, answer_type: str) -> CellRates:
        """The rates of a cell; where it is thin, of its type, its stage, or everything."""
        scopes = (
            ("stage and type", lambda s, t: s == stage and t == answer_type),
            ("type", lambda s, t: t == answer_type),
            ("stage", lambda s, t: s == stage),
            ("all", lambda s, t: True),
        )
        found: dict[str, tuple[Rate, str]] = {}
        for scope, matches in scopes:
            total = Counts()
            for (cell_stage, cell_type), counts in self.cells.items():
                if matches(cell_stage, cell_type):
                    total = total.plus(counts)
            wrong = total.false_positives + total.true_negatives
            right = total.false_negatives + total.true_positives
            last = scope == "all"
            if "positive" not in found and (wrong >= MINIMUM_COUNT or last):
                found["positive"] = (rate(total.false_positives, wrong), scope)
            if "negative" not in found and (right >= MINIMUM_COUNT or last):
                found["negative"] = (rate(total.false_negatives, right), scope)
        (positive, first), (negative, second) = found["positive"], found["negative"]
        names = [scope for scope, _ in scopes]
        widest = max(first, second, key=names.index)
        return CellRates(positive, negative, stage, answer_type, widest, self.version)

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` reads back."""
        return {
            "version": self.version,
            "columns": list(Counts._fields),
            "cells": [
                [stage, answer_type, *counts]
                for (stage, answer_type), counts in sorted(self.cells.items())
            ],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ErrorRates:
        """Raises ValueError naming the row that is not a cell of counts."""
        cells: dict[tuple[str, str], Counts] = {}
        for row in data["cells"]:
            stage, answer_type, *numbers = row
            if len(numbers) != 4 or any(not isinstance(n, int) or n < 0 for n in numbers):
                raise ValueError(f"cells: {row!r} must be stage, type and four counts >= 0")
            cells[(str(stage), str(answer_type))] = Counts(*numbers)
        return ErrorRates(str(data["version"]), cells)

    @staticmethod
    def load(path: Path) -> ErrorRates:
        """Read a file that holds `to_json`."""
        return ErrorRates.from_json(json.loads(path.read_text(encoding="utf-8")))


def _count_of(label: Label) -> Counts:
    if label.verdict_correct:
        return Counts(int(label.truly_correct), int(not label.truly_correct), 0, 0)
    return Counts(0, 0, int(not label.truly_correct), int(label.truly_correct))


@lru_cache(maxsize=1)
def shipped() -> ErrorRates:
    """The rates that come with the package."""
    text = files("rewardsvc_verifiers.math").joinpath("rates.json").read_text(encoding="utf-8")
    return ErrorRates.from_json(json.loads(text))


@lru_cache(maxsize=1024)
def lookup(stage: str, answer_type: str) -> CellRates:
    """The shipped rates of one stage and answer type."""
    return shipped().lookup(stage, answer_type)
