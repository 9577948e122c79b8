"""Votes on one question: when more of them can change nothing, and what they say together.

A missing vote (unreadable, or its call failed) is a vote fewer; below the quorum nobody
guesses. The order of votes never matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from enum import StrEnum
from math import ceil
from statistics import median_low
from typing import TypeVar

__all__ = ["VoteRule", "majority", "next_votes", "quorum_of", "settled", "summary"]

_T = TypeVar("_T", bound=Hashable)


class VoteRule(StrEnum):
    """How votes become one."""

    MEAN = "mean"
    """Every vote moves it, so all are asked for."""
    MEDIAN = "median"
    """The lower one of the two in the middle."""
    MAJORITY = "majority"
    """More than half of the votes; none where they tie."""


def quorum_of(votes: int, share: float = 0.5) -> int:
    """How many of `votes` must be there: the share, rounded up, and at least 1."""
    return max(1, ceil(votes * share - 1e-9))


def majority(votes: Sequence[_T]) -> _T | None:
    """What more than half of the votes say; None for a tie, a mere plurality, or no votes."""
    for value, count in Counter(votes).items():
        if 2 * count > len(votes):
            return value
    return None


def settled(votes: Sequence[float], left: int, rule: VoteRule) -> bool:
    """Whether `left` more votes, whatever they say or if they are missing, change nothing."""
    if left <= 0:
        return True
    if not votes or rule is VoteRule.MEAN:
        return False
    if rule is VoteRule.MAJORITY:
        leading = max(Counter(votes).values())
        return 2 * leading > len(votes) + left or 2 * leading + left <= len(votes)
    ordered = sorted(votes)
    # Any number of the votes still to come may fall on either side of the middle.
    middle = median_low(ordered)
    for more in range(1, left + 1):
        for below in range(more + 1):
            padded = [float("-inf")] * below + ordered + [float("inf")] * (more - below)
            if median_low(padded) != middle:
                return False
    return True


def next_votes(votes: Sequence[float], left: int, rule: VoteRule) -> int:
    """How many votes to ask for next: the fewest that could settle it, at most `left`."""
    if settled(votes, left, rule):
        return 0
    if rule is VoteRule.MEAN or not votes:
        return left if rule is VoteRule.MEAN else left // 2 + 1
    leading = Counter(votes).most_common(1)[0][0]
    for more in range(1, left):
        if settled([*votes, *[leading] * more], left - more, rule):
            return more
    return left


def summary(votes: Sequence[float], rule: VoteRule) -> float | None:
    """The votes' mean, lower median or majority; None where there is none."""
    if not votes:
        return None
    if rule is VoteRule.MAJORITY:
        return majority(votes)
    if rule is VoteRule.MEDIAN:
        return median_low(votes)
    return sum(sorted(votes)) / len(votes)
