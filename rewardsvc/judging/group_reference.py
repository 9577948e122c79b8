"""Pairwise rewards for a group: every response against one of the group's own.

Writing-Zero's bootstrapped reference: a response drawn at random from the group takes the
place of a reference answer; each other response's reward is how it compares with that one.
The draw here is by content (the smallest hash of prompt and response), so that the same group
in any order, on any replica, is given the same reference. The reference itself is compared
with nothing and has the reward of a tie, 1/2; so has a response with the same text. One
comparison (two orders) a response, instead of k² for a tournament.

Rewards are relative to the draw: they compare responses within a group, never between groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["TIE_REWARD", "choose_reference"]

TIE_REWARD = 0.5


def choose_reference(prompt: str, texts: Sequence[str | None], seed: int = 0) -> int | None:
    """The index of the reference among `texts`; None where fewer than two can take part.

    None in `texts` stands for a response that cannot (it was refused, or is no text).
    """
    eligible = [(index, text) for index, text in enumerate(texts) if text is not None]
    if len(eligible) < 2:
        return None
    return min(eligible, key=lambda item: (_draw(prompt, item[1], seed), item[0]))[0]


def _draw(prompt: str, text: str, seed: int) -> bytes:
    digest = hashlib.sha256(f"{seed}:{len(prompt)}:".encode())
    digest.update(prompt.encode("utf-8", "surrogatepass"))
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()
