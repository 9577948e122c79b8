"""Make labelled pairs of answers: equivalent and nearly equal, over every answer type.

Truth holds by construction: a pair is written twice from the same value, or from a value that
was changed in one place. Nothing here imports the verifier, so the labels owe it nothing.
Seeded and deterministic.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from rewardsvc_verifiers.math.generate import collections, expressions, numbers, words
from rewardsvc_verifiers.math.generate.notation import decorate
from rewardsvc_verifiers.math.generate.pair import Draft, LabelledPair

FAMILIES: dict[str, Callable[[random.Random], Draft]] = {
    **numbers.FAMILIES,
    **expressions.FAMILIES,
    **collections.FAMILIES,
    **words.FAMILIES,
}


def labelled_pairs(seed: int, per_family: int) -> Iterator[LabelledPair]:
    """`per_family` pairs of every family, about half of them equal.

    The same seed gives the same pairs on every machine and Python version from 3.11.
    """
    for family, draw in FAMILIES.items():
        rng = random.Random(f"{seed}:{family}")  # noqa: S311
        made = 0
        while made < per_family:
            draft = draw(rng)
            if draft.equal is not (made % 2 == 0):
                continue
            answer = decorate(draft.answer, rng) if draft.decorable else draft.answer
            yield LabelledPair(draft.reference, answer, draft.equal, family, draft.variation)
            made += 1


__all__ = ["FAMILIES", "LabelledPair", "labelled_pairs"]
