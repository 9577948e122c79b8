"""FairEval: several judgements of evidence in both orders, and which cases a person should see.

Scores are averaged over k judgements × 2 orders (k = 3 at temperature 1 in the paper's code,
which divides by zero where none can be read; here that is None). BPDE, the balanced position
diversity entropy, is −Σ p·log p (nats) over the shares of win, tie and lose among the 2k
outcomes: 0 when all agree, log 3 ≈ 1.0986 at most. The paper sends the highest entropies to
people; a service sees one case at a time, so here a threshold takes the place of the ranking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from rewardsvc.judging.pairwise import PairOutcome

__all__ = ["LOOK_AT", "BalancedScores", "balanced_scores", "bpde", "should_be_seen"]

LOOK_AT = log(2)
"""Default threshold: as divided as a coin flip, e.g. each order names its own winner."""


@dataclass(frozen=True, slots=True)
class BalancedScores:
    """Mean scores of A and B over both orders, in the judge's unit, and how they compare."""

    first: float
    second: float
    outcome: PairOutcome
    """From the side of A; equal means are a tie."""
    judgements: int


def balanced_scores(
    in_order: Sequence[tuple[float, float] | None],
    swapped_order: Sequence[tuple[float, float] | None],
) -> BalancedScores | None:
    """Averages judgements, each (score of the one shown first, of the one shown second).

    None stands for a judgement that could not be read. Each order's mean counts the same,
    so that missing judgements do not unbalance positions; None where an order has none.
    """
    order = [pair for pair in in_order if pair is not None]
    swapped = [(b, a) for a, b in (pair for pair in swapped_order if pair is not None)]
    if not order or not swapped:
        return None
    means = [
        sum(sum(pair[side] for pair in pairs) / len(pairs) for pairs in (order, swapped)) / 2
        for side in (0, 1)
    ]
    outcome = PairOutcome((means[0] > means[1]) - (means[0] < means[1]))
    return BalancedScores(means[0], means[1], outcome, len(order) + len(swapped))


def bpde(outcomes: Sequence[PairOutcome]) -> float:
    """Entropy in nats, in [0, log 3], of outcomes that are all from the same side.

    The order does not matter; 0 for none.
    """
    total = len(outcomes)
    return sum(-n / total * log(n / total) for n in Counter(outcomes).values()) + 0.0


def should_be_seen(outcomes: Sequence[PairOutcome], threshold: float = LOOK_AT) -> bool:
    """Whether a person should look: the entropy reaches the threshold."""
    return len(outcomes) > 1 and bpde(outcomes) >= threshold - 1e-9
