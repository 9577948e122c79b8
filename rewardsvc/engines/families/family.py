"""What a family of reward models is, and what passes between it and the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines.conversation import Message
from rewardsvc.engines.truncation import Truncation

__all__ = ["Family", "Readable", "Reader", "Reading", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Readable:
    """One prompt and some responses to it, as text.

    `references` has, for each response, the texts it is compared with; empty for families
    that need none.
    """

    prompt: Sequence[Message]
    responses: Sequence[str]
    references: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """Token ids of one sample as a model reads it; its score is read at the last of them."""

    ids: list[int]
    truncation: str = ""
    """What was cut to make it fit; empty when nothing was."""
    warning: str = ""
    """What a person should know of the text, e.g. that it spells the format's own tags."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a sample cannot be read."""

    reason: str


class Reader(Protocol):
    """A family's way of reading, for one tokenizer."""

    def read(self, groups: Sequence[Readable]) -> list[list[list[Reading | Unreadable]]]:
        """For each group, for each response, one reading a reference (else exactly one).

        A sample with several readings has the highest of their scores.
        """


class Family(Protocol):
    """A family of reward models."""

    @property
    def name(self) -> str:
        """The name in configurations."""

    @property
    def needs_reference(self) -> bool:
        """Whether responses are compared with a reference."""

    @property
    def prefers_answers(self) -> bool:
        """Whether, of a reference with both, its answers are compared with and not its full
        response."""

    @property
    def range(self) -> tuple[float | None, float | None]:
        """Smallest and largest score of one model; None where unbounded."""

    @property
    def properties(self) -> Mapping[str, str]:
        """What `GetReward` says of scores of this family."""

    @property
    def weighted(self) -> bool:
        """Whether a model has several outputs, attributes that are weighted; else it has one."""

    def reader(self, tokenizer: Any, max_length: int, truncation: Truncation) -> Reader:
        """A reader for one tokenizer; ConfigError where the tokenizer does not fit."""

    def scores(self, outputs: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
        """Scores (…,) from a model's outputs (…, outputs); `weights` of its attributes."""
