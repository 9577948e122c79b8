"""Correctness against a gold answer or a reference response, from a judge's votes.

Each vote is CORRECT or INCORRECT, with the model's probability of CORRECT where it gives
log-probabilities: p = mass(CORRECT) / (mass(CORRECT) + mass(INCORRECT)), missing where both
together have less than τ. `majority` makes the score 1 or 0 by counting votes (p ≥ 1/2 is
correct), `mean` the mean of p.
"""

from __future__ import annotations

from rewardsvc.judging.candidates import Masses

__all__ = ["CHOICES", "CORRECT", "INCORRECT", "probability_correct"]

CORRECT = "CORRECT"
INCORRECT = "INCORRECT"
CHOICES = (CORRECT, INCORRECT)


def probability_correct(masses: Masses, minimum_mass: float = 0.5) -> float | None:
    """p above, in [0, 1]; None where the two labels have less than `minimum_mass`."""
    correct = masses.by_candidate.get(CORRECT, 0.0)
    total = correct + masses.by_candidate.get(INCORRECT, 0.0)
    if total <= 0 or total < minimum_mass:
        return None
    return correct / total
