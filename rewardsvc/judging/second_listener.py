"""A second listener: another model or prompt re-reads the judged reasoning.

Derived. With the judge's score s₁ and the listener's s₂, both in [0, 1], their disagreement is
d = |s₁ − s₂|, and a confidence p is drawn towards not knowing:

    p′ = 1/2 + (1 − w·d) · (p − 1/2),    w = 1 by default.

Agreement leaves p alone, full disagreement makes it 1/2, whichever of the two is right. The
interval is widened where it has to be, so that it still holds p′.
"""

from __future__ import annotations

from dataclasses import replace

from rewardsvc.types import Confidence

__all__ = ["heard_twice"]


def heard_twice(
    confidence: Confidence, score: float, second_score: float, weight: float = 1.0
) -> Confidence:
    """`confidence` after a listener's disagreement; scores and `weight` are in [0, 1]."""
    for name, value in (("score", score), ("second_score", second_score), ("weight", weight)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: is {value!r}; must be in [0, 1]")
    kept = 1 - weight * abs(score - second_score)
    probability = 0.5 + kept * (confidence.probability - 0.5)
    return replace(
        confidence,
        probability=probability,
        lower=min(confidence.lower, probability),
        upper=max(confidence.upper, probability),
        method=f"{confidence.method}+second_listener",
    )
