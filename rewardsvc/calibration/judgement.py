"""How likely a response is right, given the probabilities that judges' models named.

The probability is the mean of the judgements' own, p̄ = Σ pᵢ / n; the interval is that of n
votes of which Σ pᵢ are for "right" (Jeffreys, 90 %), widened to hold p̄. Derived: a model's
probability says more than its one word, but it is a single model's, so the interval stays as
wide as for n votes. Not calibrated: models are surer than they are right; only labels can tell.
"""

from __future__ import annotations

from collections.abc import Sequence

from rewardsvc.calibration.votes import confidence_from_votes
from rewardsvc.types import Confidence

__all__ = ["METHOD", "confidence_from_probabilities"]

METHOD = "judgement_probabilities"


def confidence_from_probabilities(probabilities: Sequence[float]) -> Confidence:
    """From at least one probability in [0, 1]; their order does not matter."""
    if not probabilities:
        raise ValueError("probabilities: is empty; must hold at least one")
    for index, probability in enumerate(probabilities):
        if not 0 <= probability <= 1:
            raise ValueError(f"probabilities[{index}]: is {probability!r}; must be in [0, 1]")
    votes = len(probabilities)
    agreeing = min(sum(sorted(probabilities)), float(votes))
    mean = agreeing / votes
    interval = confidence_from_votes(agreeing, votes)
    return Confidence(mean, min(interval.lower, mean), max(interval.upper, mean), METHOD)
