"""Votes on which steps are wrong: several critiques of one response become one judgement.

Each critique names a set of wrong steps; a critique that could not be read is a missing vote,
which never stands for "no errors". CAPO (Xie et al., arXiv 2508.02298) votes over the sets by
intersection, majority or union, or averages them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

__all__ = ["RULES", "StepVotes", "count_votes", "is_decided", "votes_needed"]

RULES = {
    "intersection": "wrong where every critique says so; their best for policies of 1 to 1.5 B",
    "majority": "wrong where at least half of the critiques say so (count >= k/2, as in CAPO); "
    "at an even k this is less than a strict majority",
    "strict_majority": "wrong where more than half of the critiques say so (count > k/2)",
    "union": "wrong where any critique says so",
    "average": "wrong to the degree of the share of critiques that say so",
}
"""What each rule does, by the name that configurations use; k counts the votes that are there."""


@dataclass(frozen=True, slots=True)
class StepVotes:
    """What the votes that are there say."""

    counts: tuple[int, ...]
    """Votes against each step."""
    votes: int
    """Votes that are there; at least 1."""

    def wrongness(self, rule: str) -> tuple[float, ...]:
        """How wrong each step is, in [0, 1]: 0 or 1 except by `average`."""
        return tuple(_wrongness(rule, count, self.votes) for count in self.counts)


def count_votes(votes: Sequence[Set[int] | None], steps: int) -> StepVotes | None:
    """Counts sets of wrong steps, numbered from 1; None (a missing vote) counts for nothing.

    None when every vote is missing. ValueError for a step that is not in 1..steps.
    """
    counts = [0] * steps
    present = [vote for vote in votes if vote is not None]
    for vote in present:
        for step in vote:
            if not 1 <= step <= steps:
                raise ValueError(f"a vote names step {step} of {steps}")
            counts[step - 1] += 1
    return StepVotes(tuple(counts), len(present)) if present else None


def is_decided(rule: str, cast: StepVotes | None, outstanding: int, quorum: int) -> bool:
    """Whether `outstanding` further votes, whatever they are, leave the judgement as it is.

    The judgement is every step's wrongness, or that fewer than `quorum` votes are there. A
    further vote may name any steps, and may turn out to be missing.
    """
    present = 0 if cast is None else cast.votes
    if outstanding == 0 or present + outstanding < quorum:
        return True
    if cast is None or present < quorum:
        return False
    return all(_is_settled(rule, count, present, outstanding) for count in cast.counts)


def votes_needed(rule: str, votes: int, quorum: int) -> int:
    """Fewest votes after which `is_decided` can be true when no step is called wrong."""
    for present in range(1, votes):
        if is_decided(rule, StepVotes((0,), present), votes - present, quorum):
            return present
    return votes


def _is_settled(rule: str, count: int, present: int, outstanding: int) -> bool:
    now = _wrongness(rule, count, present)
    return all(
        _wrongness(rule, count + against, present + more) == now
        for more in range(1, outstanding + 1)
        for against in (0, more)
    )


def _wrongness(rule: str, count: int, votes: int) -> float:
    match rule:
        case "intersection":
            return float(count == votes)
        case "majority":
            return float(2 * count >= votes)
        case "strict_majority":
            return float(2 * count > votes)
        case "union":
            return float(count > 0)
        case "average":
            return count / votes
    raise ValueError(f"rule: is {rule!r}; must be one of {', '.join(RULES)}")
