"""Which of two responses is better, from judging them in both orders.

Likelihood-aware aggregation (TrustJudge): with p₁ from the order (A, B) and p₂ from (B, A),
m[k] = p₁[k] + p₂[−k] for k = A better, tie, B better; the outcome is the largest, and a tie
where (largest − second) / 2 < δ. The perplexity variant trusts the order whose judgement the
model wrote with lower perplexity. δ is not published; 0.05 is our default.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import isfinite

__all__ = ["PairOutcome", "PairVerdict", "Preference", "aggregate_orders", "by_perplexity"]


class PairOutcome(IntEnum):
    """Who is better; the negative is the same seen from the other side."""

    WORSE = -1
    TIE = 0
    BETTER = 1


@dataclass(frozen=True, slots=True)
class Preference:
    """Probabilities that the response shown first is better, equal, worse; they sum to 1."""

    better: float
    tie: float
    worse: float

    @staticmethod
    def of(better: float, tie: float, worse: float) -> Preference:
        """From masses of any sum; ValueError if one is negative or not finite or all are 0."""
        masses = (better, tie, worse)
        total = sum(masses)
        if not (isfinite(total) and total > 0 and min(masses) >= 0):
            raise ValueError(f"masses: are {masses}; must be finite, not negative, not all 0")
        return Preference(better / total, tie / total, worse / total)

    @staticmethod
    def certain(outcome: PairOutcome) -> Preference:
        """Of a judgement without probabilities."""
        return Preference(
            float(outcome is PairOutcome.BETTER),
            float(outcome is PairOutcome.TIE),
            float(outcome is PairOutcome.WORSE),
        )

    @property
    def swapped(self) -> Preference:
        """The same from the side of the response shown second."""
        return Preference(self.worse, self.tie, self.better)

    @property
    def outcome(self) -> PairOutcome:
        """The likeliest; a tie where better and worse are equally likely and likeliest."""
        if self.better == self.worse or self.tie > max(self.better, self.worse):
            return PairOutcome.TIE
        return PairOutcome.BETTER if self.better > self.worse else PairOutcome.WORSE

    @property
    def win(self) -> float:
        """Probability of being better, ties counting half, in [0, 1]."""
        return self.better + self.tie / 2


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """What both orders say together, from the side of A."""

    outcome: PairOutcome
    preference: Preference
    """m / 2 in the notation above."""
    margin: float
    """(largest − second) / 2 of m, in [0, 1]."""
    consistent: bool
    """Whether both orders name the same outcome."""


def aggregate_orders(
    first: Preference, swapped_order: Preference, tie_margin: float = 0.05
) -> PairVerdict:
    """Aggregates `first`, of the order (A, B), with `swapped_order`, of the order (B, A).

    Each preference is from the side of the response shown first in its order. `tie_margin`
    is δ in [0, 1]. Exchanging A and B exchanges BETTER and WORSE and changes nothing else.
    """
    if not 0 <= tie_margin <= 1:
        raise ValueError(f"tie_margin: is {tie_margin!r}; must be in [0, 1]")
    other = swapped_order.swapped
    masses = {
        PairOutcome.BETTER: first.better + other.better,
        PairOutcome.TIE: first.tie + other.tie,
        PairOutcome.WORSE: first.worse + other.worse,
    }
    (outcome, largest), (_, second), _ = sorted(masses.items(), key=lambda item: -item[1])
    margin = (largest - second) / 2
    # Equally likely outcomes are a tie even with δ = 0: neither side may win by its name.
    if margin < tie_margin or margin <= 1e-12:
        outcome = PairOutcome.TIE
    return PairVerdict(
        outcome,
        Preference.of(*masses.values()),
        margin,
        first.outcome is other.outcome,
    )


def by_perplexity(
    first: PairOutcome,
    first_perplexity: float,
    swapped_order: PairOutcome,
    swapped_perplexity: float,
    tie_margin: float = 0.0,
) -> PairOutcome:
    """The outcome of the order written with lower perplexity (≥ 1), from the side of A.

    `swapped_order` is from the side of B, which its order shows first. Orders that agree need
    no choice; else a difference of at most `tie_margin` is a tie.
    """
    for name, value in (("first", first_perplexity), ("swapped", swapped_perplexity)):
        if not (isfinite(value) and value >= 1):
            raise ValueError(f"{name}_perplexity: is {value!r}; must be finite and at least 1")
    other = PairOutcome(-swapped_order)
    if first is other:
        return first
    if abs(first_perplexity - swapped_perplexity) <= tie_margin:
        return PairOutcome.TIE
    return first if first_perplexity < swapped_perplexity else other
