"""SAR: how much less surprising the response is because of its prompt.

    max(-1, (ppl(a) - ppl(a | q)) / ppl(a)) = max(-1, 1 - exp(CE(a | q) - CE(a)))

with ppl = exp(CE), CE the mean negative log-probability of the response's tokens, with and
without the prompt (the identity is derived, and does not overflow). In [-1, 1). The paper adds
it to a verifier's reward with weight 0.2: give the component that weight. Alone it collapses.

Without the prompt the response follows the beginning-of-sequence token, or the end-of-sequence
token where there is no other (derived: the first token needs something before it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rewardsvc.scorers.likelihood.measure import MeasureSettings, NoAnswer, TextSample
from rewardsvc.scorers.token_scores import Context, Part, TokenScores

__all__ = ["SelfAligned", "self_aligned_reward"]


class SelfAligned:
    """Relative drop in perplexity that the prompt brings."""

    needs_reference = False
    range: tuple[float | None, float | None] = (-1.0, 1.0)

    def __init__(self, settings: MeasureSettings) -> None:
        pass

    def contexts(self, sample: TextSample) -> list[Context]:
        """The response with the prompt, and alone."""
        if not sample.response.strip():
            raise NoAnswer("the response has no text")
        response = ((Part(sample.response),),)
        return [Context(sample.messages, response), Context((), response, turn="none")]

    def value(self, found: Sequence[Sequence[TokenScores]]) -> float:
        """The formula above."""
        given, alone = (-float(context[0].log_probabilities[0].mean()) for context in found)
        return self_aligned_reward(given, alone)


def self_aligned_reward(given: float, alone: float) -> float:
    """From the cross-entropies, >= 0 and in nats a token, with and without the prompt."""
    difference = given - alone
    return -1.0 if difference > math.log(2) else -math.expm1(difference)
