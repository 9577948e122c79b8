"""Preference pairs as token ids, tokenised as the service tokenises what it scores."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rewardsvc.engines.conversation import ConversationEncoder
from rewardsvc.training.preference_pairs import PreferencePair

__all__ = ["CHOSEN", "REJECTED", "EncodedPair", "encode_pairs"]

CHOSEN, REJECTED = 0, 1
_HIGH, _LOW = (7, 10), (0, 3)
"""Verbalised confidences out of 10, drawn uniformly."""


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """Token ids: chosen, rejected, and, where confidences are trained on, chosen with high and
    low and rejected with high and low confidence appended."""

    sequences: tuple[list[int], ...]

    def flipped(self) -> EncodedPair:
        """The same pair with the other response preferred."""
        chosen, rejected, *confident = self.sequences
        return EncodedPair((rejected, chosen, *confident[2:], *confident[:2]))

    @property
    def longest(self) -> int:
        return max(map(len, self.sequences))


def encode_pairs(
    tokenizer: Any,
    pairs: Sequence[PreferencePair],
    max_length: int,
    *,
    confidence_template: str | None = None,
    seed: int = 0,
) -> list[EncodedPair | None]:
    """Each pair's token ids; None for a pair with a conversation over `max_length` tokens.

    Nothing is cut: a response without its end is another response.
    """
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    conversations = []
    for pair in pairs:
        responses = [pair.chosen, pair.rejected]
        if confidence_template is not None:
            high, low = rng.randint(*_HIGH), rng.randint(*_LOW)
            responses += [
                confidence_template.replace("{confidence}", str(confidence)).replace(
                    "{response}", response
                )
                for response in (pair.chosen, pair.rejected)
                for confidence in (high, low)
            ]
        conversations += [pair.conversation(response) for response in responses]
    ids = ConversationEncoder(tokenizer).encode(conversations)  # type: ignore[arg-type]
    each = len(conversations) // max(len(pairs), 1)
    encoded = [EncodedPair(tuple(ids[at : at + each])) for at in range(0, len(ids), each or 1)]
    return [pair if pair.longest <= max_length else None for pair in encoded]
