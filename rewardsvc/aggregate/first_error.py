"""How well a critic or process reward model finds the first wrong step.

ProcessBench (Zheng et al., arXiv 2412.06559): the label is the index of the first wrong step,
or `NO_ERROR`; the figure is the harmonic mean of the accuracy on solutions with an error and
on those without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["NO_ERROR", "FirstErrorScore", "first_error", "first_error_score", "harmonic_mean"]

NO_ERROR = -1
"""The label of a solution whose every step is right."""


@dataclass(frozen=True, slots=True)
class FirstErrorScore:
    """Shares in [0, 1]; an accuracy is NaN where there was nothing to measure it on."""

    erroneous_accuracy: float
    """Of solutions with an error, the share whose first wrong step was named exactly."""
    correct_accuracy: float
    """Of solutions without one, the share that was called free of errors."""

    @property
    def f1(self) -> float:
        """Their harmonic mean; 0 where both are 0, NaN where one is."""
        return harmonic_mean(self.erroneous_accuracy, self.correct_accuracy)


def first_error(scores: Sequence[float], threshold: float = 0.5) -> int:
    """Index, from 0, of the first step scored below `threshold`; `NO_ERROR` if none is."""
    return next((i for i, score in enumerate(scores) if not score >= threshold), NO_ERROR)


def first_error_score(predicted: Sequence[int | None], labels: Sequence[int]) -> FirstErrorScore:
    """Compares predictions with labels; a prediction of None (none was made) is wrong.

    Raises:
        ValueError: there are not as many predictions as labels.
    """
    pairs = list(zip(predicted, labels, strict=True))
    erroneous = [guess == label for guess, label in pairs if label != NO_ERROR]
    correct = [guess == label for guess, label in pairs if label == NO_ERROR]
    return FirstErrorScore(_share(erroneous), _share(correct))


def harmonic_mean(a: float, b: float) -> float:
    """2ab / (a + b), and 0 at 0/0."""
    return 0.0 if a + b == 0 else 2 * a * b / (a + b)


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan
