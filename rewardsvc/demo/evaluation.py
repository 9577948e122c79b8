"""How well scores order right and wrong responses to held-out problems. Loads no torch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.demo.problems import Mistake, Problem, Solution, Split, make_problem, solve

__all__ = ["Sample", "Scores", "evaluate", "held_out_samples"]

Sample = tuple[Problem, Solution]
Scores = NDArray[np.float64]


def held_out_samples(seed: int, problems: int) -> list[Sample]:
    """One right response and one with each mistake to held-out problems, in that order."""
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    samples = []
    for _ in range(problems):
        problem = make_problem(rng, Split.HELD_OUT)
        samples += [(problem, solve(problem, m, rng)) for m in (None, *Mistake)]
    return samples


def evaluate(scores: Scores, samples: Sequence[Sample]) -> dict[str, Any]:
    """How well (samples,) scores order `held_out_samples`.

    `pairwise_accuracy` is the share of (right, with a mistake) pairs of one problem ordered
    right (a tie counts half), `by_mistake` the same for each mistake, `auroc` that of scores
    across all problems for whether the declared answer is right.
    """
    table = scores.reshape(-1, 1 + len(Mistake))
    wins = np.sign(table[:, :1] - table[:, 1:]) / 2 + 0.5
    correct = np.array([solution.correct for _, solution in samples])
    return {
        "pairwise_accuracy": round(float(wins.mean()), 4),
        "auroc": round(_auroc(scores, correct), 4),
        "by_mistake": {
            mistake.value: round(float(wins[:, k].mean()), 4) for k, mistake in enumerate(Mistake)
        },
    }


def _auroc(scores: Scores, positive: NDArray[np.bool_]) -> float:
    """Share of (positive, negative) pairs that the scores order right; ties count half."""
    _, inverse, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[inverse]
    positives = int(positive.sum())
    below = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(below / (positives * (len(scores) - positives)))
