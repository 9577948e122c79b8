"""The vocabulary of labels, calibrations and noise rates, as plain immutable data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rewardsvc.types import Outcome

__all__ = [
    "Calibration",
    "CurvePoint",
    "Label",
    "LabelSource",
    "NoiseRate",
    "NoiseRates",
    "RateEstimate",
    "Recorded",
]


class LabelSource(StrEnum):
    """Who says so."""

    PERSON = "person"
    ORACLE = "oracle"
    """Something that is taken to be right, such as the tests of a held-out suite."""
    JUDGE = "judge"
    """A judge model that errs itself: kept, and used for noise rates only with its own errors
    accounted for; never for calibrators."""


@dataclass(frozen=True, slots=True)
class Label:
    """The truth about one sample that a scorer of a reward has scored."""

    sample_id: str
    value: float
    """How right the response is, in [0, 1]."""
    score: float | None = None
    """The raw score that the scorer gave; needed to calibrate it."""
    source: LabelSource = LabelSource.PERSON
    cluster_id: str = ""
    """Samples of one prompt share a cluster; empty: the sample is a cluster of its own."""
    outcome: Outcome | None = None
    """What a verifier concluded; needed to estimate its error rates."""
    stage: str = ""
    answer_type: str = ""
    domain: str = ""
    inclusion_probability: float = 1.0
    """The known probability with which this sample was chosen for labelling, in (0, 1]."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of some labels."""

    recorded: int
    """Labels that are now stored."""
    replaced: int
    """Those among them that took the place of one that said something else."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A raw score, its probability and the 90 % interval of that."""

    score: float
    probability: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted calibrator, described."""

    version: str
    method: str
    domain: str
    """Empty: all domains."""
    curve: tuple[CurvePoint, ...]
    metrics: Mapping[str, float]
    """Quality on labels that the fit had not seen, by name."""
    labels: int
    clusters: int
    fitted_at: datetime
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """An error rate with its 90 % interval, and the effective number of labels behind it."""

    rate: float
    lower: float
    upper: float
    labels: float


@dataclass(frozen=True, slots=True)
class NoiseRate:
    """How often a verifier errs on one kind of sample; an empty name stands for all."""

    stage: str
    answer_type: str
    domain: str
    false_positive_rate: RateEstimate
    false_negative_rate: RateEstimate


@dataclass(frozen=True, slots=True)
class NoiseRates:
    """A verifier's error rates by kind of sample."""

    version: str
    rates: tuple[NoiseRate, ...] = field(default=())
