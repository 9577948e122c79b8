"""Splits by prompt: no prompt is on two sides, whatever the order of the file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from rewardsvc.errors import ConfigError
from rewardsvc.training.preference_pairs import PreferencePair

__all__ = ["Split", "fold_of", "split_by_prompt"]


@dataclass(frozen=True, slots=True)
class Split:
    """Pairs to train on, to stop early by, and to standardise and measure on."""

    training: list[PreferencePair]
    validation: list[PreferencePair]
    held_out: list[PreferencePair]


def split_by_prompt(
    pairs: Sequence[PreferencePair], seed: int, validation_share: float, held_out_share: float
) -> Split:
    """Splits so that about the given shares of prompts are held out.

    Prompts are ordered by a hash of seed and prompt, so that a prompt's side depends on the set
    of prompts and the seed only.

    Raises:
        ConfigError: too few prompts for one in each part.
    """
    keys = sorted({pair.prompt_key for pair in pairs}, key=lambda key: _hash(seed, key))
    held_out = max(1, round(len(keys) * held_out_share))
    validation = max(1, round(len(keys) * validation_share))
    if len(keys) < held_out + validation + 1:
        raise ConfigError(
            f"{len(keys)} distinct prompts are too few: {held_out} are held out, {validation} "
            "are for validation, and at least 1 must be left to train on"
        )
    side = dict.fromkeys(keys[:held_out], "held_out")
    side |= dict.fromkeys(keys[held_out : held_out + validation], "validation")
    split = Split([], [], [])
    for pair in pairs:
        getattr(split, side.get(pair.prompt_key, "training")).append(pair)
    return split


def fold_of(pair: PreferencePair, seed: int, folds: int) -> int:
    """Which of `folds` parts the pair's prompt belongs to."""
    return int(_hash(seed, pair.prompt_key)[:16], 16) % folds


def _hash(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()
