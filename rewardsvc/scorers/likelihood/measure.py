"""What a measure is: the texts whose probability it needs, and what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rewardsvc.scorers.likelihood.answer_span import AnswerMarks
from rewardsvc.scorers.token_scores import Context, TokenScores

__all__ = ["Measure", "MeasureSettings", "NoAnswer", "TextSample"]


@dataclass(frozen=True, slots=True)
class TextSample:
    """One sample as text.

    Attributes:
        messages: The prompt's, as [role, content].
        response: What is scored.
        references: Reference answers, else the one full response known to be good.
    """

    messages: Sequence[Sequence[str]]
    response: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """What measures are configured with; each uses its part."""

    marks: AnswerMarks
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()


class NoAnswer(Exception):
    """The response has no part that the measure looks at: the scorer abstains."""


class Measure(Protocol):
    """A reward made of token probabilities; one instance a configured scorer."""

    @property
    def needs_reference(self) -> bool:
        """Whether samples need a reference."""

    @property
    def range(self) -> tuple[float | None, float | None]:
        """Smallest and largest value; None where unbounded."""

    def contexts(self, sample: TextSample) -> list[Context]:
        """What to ask the engine of a sample; raises NoAnswer where there is nothing."""

    def value(self, found: Sequence[Sequence[TokenScores]]) -> float:
        """The reward, from the token scores of each continuation of each context."""
