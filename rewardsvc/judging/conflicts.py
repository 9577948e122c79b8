"""Whether a judge contradicts itself: scores against comparisons, and comparisons in circles.

TrustJudge's two figures over a set of responses to one prompt. Conflict ratio: the share of
pairs where the comparison C and the scores disagree, (Sx > Sy and C ≤ 0) or (Sx < Sy and
C ≥ 0) or (Sx = Sy and C ≠ 0). Non-transitivity ratio: the share of triples whose three
comparisons fit no ranking (with ties).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from rewardsvc.judging.pairwise import PairOutcome

__all__ = ["conflict_ratio", "conflicts", "fits_a_ranking", "non_transitivity_ratio"]


def conflicts(first: float, second: float, comparison: PairOutcome) -> bool:
    """Whether two scores and the comparison of the first with the second disagree."""
    return (first > second) - (first < second) != comparison


def conflict_ratio(cases: Iterable[tuple[float, float, PairOutcome]]) -> float | None:
    """The share of (score, score, comparison) that conflict, in [0, 1]; None for no cases."""
    found = [conflicts(*case) for case in cases]
    return sum(found) / len(found) if found else None


def fits_a_ranking(xy: PairOutcome, yz: PairOutcome, xz: PairOutcome) -> bool:
    """Whether three comparisons of x, y, z can come from one ranking with ties."""
    if xy == 0:
        return xz == yz
    if yz == 0:
        return xz == xy
    return xy != yz or xz == xy


def non_transitivity_ratio(
    comparisons: Mapping[tuple[int, int], PairOutcome], responses: int
) -> float | None:
    """The share of triples of `responses` candidates that fit no ranking, in [0, 1].

    `comparisons[x, y]` with x < y is from the side of x. Triples with a comparison missing
    do not count; None where none is left.
    """
    found = [
        not fits_a_ranking(comparisons[x, y], comparisons[y, z], comparisons[x, z])
        for x, y, z in combinations(range(responses), 3)
        if (x, y) in comparisons and (y, z) in comparisons and (x, z) in comparisons
    ]
    return sum(found) / len(found) if found else None
