"""A judge's score from the probabilities of the numbers it might have given.

TrustJudge (its published code): the score is Σ wₛ·s with w = softmax(log-odds(pₛ) / T) and
T = 0.2, that is w ∝ odds^(1/T). Their code leaves out numbers of probability 1, so that a
judge who is certain scores 0; here probabilities are renormalised and kept off 0 and 1, so
that certainty is that number. T is a parameter: 0.2 is close to the likeliest number, 1 is
soft; `expectation` is the plain mean Σ pₛ·s over the renormalised probabilities (G-Eval's,
which does not renormalise).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import exp, isfinite, log

__all__ = ["DistributionMethod", "distribution_score", "expectation", "odds_weighted", "share"]

_SMALLEST = 1e-8


class DistributionMethod(StrEnum):
    """How a number is made of probabilities."""

    EXPECTATION = "expectation"
    ODDS = "odds"


def distribution_score(
    masses: Mapping[int, float],
    *,
    method: DistributionMethod = DistributionMethod.EXPECTATION,
    temperature: float = 0.2,
    minimum_mass: float = 0.5,
) -> float | None:
    """A score between the smallest and the largest number of `masses`, in their unit.

    `masses` maps numbers to probabilities in [0, 1]; they need not sum to 1. None (abstain)
    where they sum to less than `minimum_mass` (τ), for then most of the judge's mind was on
    something that is no score. ValueError for probabilities or a temperature out of range.
    """
    for number, mass in masses.items():
        if not 0 <= mass <= 1 + 1e-6:
            raise ValueError(f"masses[{number}]: is {mass!r}; must be in [0, 1]")
    total = sum(masses.values())
    if total <= 0 or total < minimum_mass:
        return None
    if method is DistributionMethod.ODDS:
        return odds_weighted(masses, temperature)
    return expectation(masses)


def expectation(masses: Mapping[int, float]) -> float:
    """Σ p·s with p renormalised; ValueError where all are 0."""
    total = _total(masses)
    return sum(number * mass for number, mass in masses.items()) / total


def odds_weighted(masses: Mapping[int, float], temperature: float = 0.2) -> float:
    """Σ w·s with w ∝ (p / (1 − p))^(1/T) over renormalised p within [1e-8, 1 − 1e-8]."""
    if not (isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature: is {temperature!r}; must be a finite number above 0")
    total = _total(masses)
    logits = {}
    for number, mass in masses.items():
        p = min(max(mass / total, _SMALLEST), 1 - _SMALLEST)
        logits[number] = (log(p) - log(1 - p)) / temperature
    highest = max(logits.values())
    weights = {number: exp(logit - highest) for number, logit in logits.items()}
    whole = sum(weights.values())
    return sum(number * weight for number, weight in weights.items()) / whole


def share(masses: Mapping[int, float], at_least: float) -> float:
    """The renormalised probability of numbers of at least `at_least`, in [0, 1]."""
    total = _total(masses)
    return min(sum(mass for number, mass in masses.items() if number >= at_least) / total, 1.0)


def _total(masses: Mapping[int, float]) -> float:
    total = sum(masses.values())
    if not total > 0:
        raise ValueError("masses: are all 0; at least one must be above 0")
    return total
