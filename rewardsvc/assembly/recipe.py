"""How a reward is made of its scorers' scores: what may be set, and what stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsvc.shaping import ConfidenceFormat, Shaper
from rewardsvc.types import Confidence, Noise, Score, Status

__all__ = [
    "Calibrator",
    "CalibratorSource",
    "Corrected",
    "NoiseCorrector",
    "Part",
    "Recipe",
    "SameEverywhere",
]


class Calibrator(Protocol):
    """A fitted map from raw scores to probabilities."""

    @property
    def version(self) -> str:
        """Changes when the map changes."""

    @property
    def method(self) -> str:
        """The calibration method's name."""

    def apply(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rewards of some scores, shape (samples,) to (samples,): finite, in [0, 1]."""

    def confidences(self, scores: NDArray[np.float64]) -> Sequence[Confidence]:
        """The probability of each score with its interval."""


class CalibratorSource(Protocol):
    """The calibrators in force: they may differ by domain and change while serving."""

    def in_force(self, domain: str) -> Calibrator | None:
        """The calibrator of a domain; None while there is none."""


@dataclass(frozen=True, slots=True)
class SameEverywhere:
    """One calibrator for every domain."""

    calibrator: Calibrator

    def in_force(self, domain: str) -> Calibrator:
        """The calibrator."""
        return self.calibrator


@dataclass(frozen=True, slots=True)
class Corrected:
    """What noise correction made of one score."""

    status: Status
    reward: float | None
    """What is combined; None unless `status.scored`."""
    reason: str = ""
    noise: Noise | None = None
    confidence: Confidence | None = None
    """Takes the place of the scorer's own confidence."""


class NoiseCorrector(Protocol):
    """Applies a verifier's estimated error rates to its scores."""

    @property
    def changes_rewards(self) -> bool:
        """Whether the corrected reward takes the place of the score."""

    def correct(self, score: Score, domain: str) -> Corrected:
        """Corrects a score whose `status.scored`."""

    def current(self) -> Noise | None:
        """The rates over everything, as the description of the reward shows them."""


@dataclass(frozen=True, slots=True)
class Part:
    """How one scorer takes part in a reward."""

    name: str
    weight: float = 1.0
    calibrators: CalibratorSource | None = None
    noise: NoiseCorrector | None = None
    shaping: tuple[Shaper, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether its score is taken as it is."""
        return (
            self.weight == 1
            and self.calibrators is None
            and self.noise is None
            and not self.shaping
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a reward is made of its parts."""

    parts: tuple[Part, ...]
    combination: str
    confidence_from: str | None = None
    """The part whose confidence is the reward's; None: the only part that has one."""
    confidence_rule: str | None = None
    """How the parts' confidences make the reward's, instead of `confidence_from`."""
    abstain_below: float | None = None
    """Confidence under which a sample gets no reward."""
    shaping: tuple[Shaper, ...] = ()
    stated_confidence: ConfidenceFormat | None = None
    """How responses state their confidence; it is taken out before they are scored."""

    @property
    def is_plain(self) -> bool:
        """Whether the reward is one scorer's raw score, so that there is nothing to combine."""
        return (
            len(self.parts) == 1
            and self.parts[0].is_plain
            and not self.shaping
            and self.abstain_below is None
        )

    @property
    def do_not_group_normalise(self) -> bool:
        """Whether group standardisation would undo a correction or repeat a normalisation."""
        return any(
            part.noise is not None and part.noise.changes_rewards for part in self.parts
        ) or any(
            shaper.normalises
            for shapers in (self.shaping, *(part.shaping for part in self.parts))
            for shaper in shapers
        )

    @property
    def needs_whole_groups(self) -> bool:
        """Whether an incomplete group gets no reward."""
        return any(
            shaper.is_group_wise
            for shapers in (self.shaping, *(part.shaping for part in self.parts))
            for shaper in shapers
        )
