"""Preference pairs that a tiny model can learn in seconds: a reason is better than a shrug."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from rewardsvc.training.recipe import Recipe

SUBJECTS = ("rain", "bread", "snow", "music", "tides", "rust", "wind", "glass", "yeast", "fog")

RECIPE = Recipe(
    "scratch:tiny",
    members=2,
    epochs=4,
    batch_pairs=16,
    learning_rate=3e-3,
    max_length=128,
    held_out_share=0.2,
)


@dataclass(frozen=True)
class Trained:
    """An ensemble, the pairs it was trained on, and what was reported."""

    directory: Path
    pairs: Path
    reports: list[str]


def draw_pairs(count: int, seed: int, flipped: float = 0.0) -> list[dict[str, object]]:
    """Pairs with distinct prompts; `swapped` says which were flipped."""
    rng = random.Random(seed)
    pairs: list[dict[str, object]] = []
    for number in range(count):
        subject, other = rng.sample(SUBJECTS, 2)
        chosen = f"{subject} comes from {other}, because {rng.choice(SUBJECTS)} needs it"
        rejected = rng.choice(("who knows", "no idea", "ask me later")) + f" about {subject}"
        swapped = rng.random() < flipped
        if swapped:
            chosen, rejected = rejected, chosen
        prompt = f"{seed}-{number}: why is there {subject}?"
        pairs.append({"prompt": prompt, "chosen": chosen, "rejected": rejected, "swapped": swapped})
    return pairs


def write_pairs(path: Path, pairs: list[dict[str, object]]) -> Path:
    """As JSON lines."""
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    return path
