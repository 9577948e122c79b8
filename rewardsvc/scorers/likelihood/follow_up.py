"""FLR: would a user who reads the response answer kindly?

Fixed follow-ups are put as the user's next message; the reward is the mean over the positive
ones of their mean log-probability a token, minus the same over the negative ones. The idea is
FLR's (e0397123/FLR); its published script reads raw logits at one position instead, and does
not say how both kinds are combined: the formula here is derived. Unbounded; comparable where
the follow-ups are the same. The default follow-ups are this package's own words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardsvc.scorers.likelihood.measure import MeasureSettings, NoAnswer, TextSample
from rewardsvc.scorers.token_scores import Context, Part, TokenScores

__all__ = ["NEGATIVE", "POSITIVE", "FollowUp"]

POSITIVE = (
    "Thank you, that is exactly what I wanted to know.",
    "Great, now I understand it.",
    "That was clear and correct, well explained.",
    "Good point, this really helps me.",
)
NEGATIVE = (
    "That does not answer my question.",
    "I don't understand, this makes no sense.",
    "That is wrong, please check it again.",
    "You are just repeating yourself, this does not help.",
)


class FollowUp:
    """Likelihood of kind follow-ups over unkind ones."""

    needs_reference = False
    range: tuple[float | None, float | None] = (None, None)

    def __init__(self, settings: MeasureSettings) -> None:
        self._positive = settings.positive or POSITIVE
        self._negative = settings.negative or NEGATIVE

    def contexts(self, sample: TextSample) -> list[Context]:
        """All follow-ups to the one conversation."""
        if not sample.response.strip():
            raise NoAnswer("the response has no text")
        messages = [*sample.messages, ["assistant", sample.response]]
        follow_ups = tuple((Part(text),) for text in (*self._positive, *self._negative))
        return [Context(messages, follow_ups, turn="user")]

    def value(self, found: Sequence[Sequence[TokenScores]]) -> float:
        """The difference of the means."""
        means = [float(scores.log_probabilities[0].mean()) for scores in found[0]]
        positive, negative = means[: len(self._positive)], means[len(self._positive) :]
        return float(np.mean(positive) - np.mean(negative))
