"""CRew: how sure the model is of the response's own final answer.

The mean probability of the tokens of the final answer, in [0, 1], given the prompt and the
response up to it. It needs no reference, and knows nothing of truth: it rewards being sure, so
a policy trained on it alone becomes sure of what is wrong. A response without a closed final
answer is abstained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardsvc.scorers.likelihood.measure import MeasureSettings, NoAnswer, TextSample
from rewardsvc.scorers.token_scores import Context, Part, TokenScores

__all__ = ["AnswerConfidence"]


class AnswerConfidence:
    """Mean probability of the final answer's tokens."""

    needs_reference = False
    range: tuple[float | None, float | None] = (0.0, 1.0)

    def __init__(self, settings: MeasureSettings) -> None:
        self._marks = settings.marks

    def contexts(self, sample: TextSample) -> list[Context]:
        """The response up to its answer, and the answer."""
        span = self._marks.find(sample.response)
        if span is None or not sample.response[slice(*span)].strip():
            raise NoAnswer(
                f"the response has no answer between {self._marks.start!r} and {self._marks.end!r}"
            )
        start, end = span
        parts = (Part(sample.response[:start], scored=False), Part(sample.response[start:end]))
        return [Context(sample.messages, (parts,))]

    def value(self, found: Sequence[Sequence[TokenScores]]) -> float:
        """Mean over the answer's tokens."""
        return float(np.exp(found[0][0].log_probabilities[0]).mean())
