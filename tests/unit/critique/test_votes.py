"""Voting over sets of wrong steps: rules, missing votes, quorum, and stopping early."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.critique.rewards import capo_range, capo_rewards
from rewardsvc.critique.votes import RULES, StepVotes, count_votes, is_decided, votes_needed


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("intersection", (1, 0, 0, 0)),
        ("majority", (1, 1, 0, 0)),
        ("strict_majority", (1, 0, 0, 0)),
        ("union", (1, 1, 1, 0)),
        ("average", (1, 0.5, 0.25, 0)),
    ],
)
def test_rules(rule: str, expected: tuple[float, ...]) -> None:
    cast = count_votes([{1, 2}, {1, 2, 3}, {1}, None, {1}], 4)
    assert cast == StepVotes((4, 2, 1, 0), 4)
    assert cast.wrongness(rule) == expected


def test_missing_votes_are_not_votes_for_no_errors() -> None:
    assert count_votes([None, None], 2) is None
    assert count_votes([], 2) is None
    cast = count_votes([None, {2}, None], 2)
    assert cast is not None and cast.wrongness("intersection") == (0, 1)
    with pytest.raises(ValueError, match="step 3 of 2"):
        count_votes([{3}], 2)
    with pytest.raises(ValueError, match="must be one of intersection, majority"):
        StepVotes((1,), 1).wrongness("plurality")


def judgement(rule: str, votes: list[set[int] | None], steps: int, quorum: int) -> object:
    cast = count_votes(votes, steps)
    return None if cast is None or cast.votes < quorum else cast.wrongness(rule)


@pytest.mark.parametrize("rule", RULES)
def test_stopping_early_is_exactly_right(rule: str) -> None:
    """For one and two steps and up to five votes: decided if and only if nothing can change."""
    for steps, total in ((1, 5), (2, 3)):
        kinds = [
            set(c) for n in range(steps + 1) for c in itertools.combinations((1, 2)[:steps], n)
        ]
        kinds = [None, *kinds]
        for quorum, known in itertools.product(range(1, total + 1), range(total + 1)):
            for cast in itertools.combinations_with_replacement(kinds, known):
                futures = {
                    judgement(rule, [*cast, *rest], steps, quorum)
                    for rest in itertools.combinations_with_replacement(kinds, total - known)
                }
                decided = is_decided(rule, count_votes(cast, steps), total - known, quorum)
                assert decided == (len(futures) == 1), (cast, total, quorum)


votes = st.none() | st.sets(st.integers(1, 4))


@given(st.sampled_from(list(RULES)), st.lists(votes, min_size=1, max_size=9), st.integers(1, 9))
def test_stopping_early_never_changes_the_judgement(
    rule: str, cast: list[set[int] | None], quorum: int
) -> None:
    quorum = min(quorum, len(cast))
    full = judgement(rule, cast, 4, quorum)
    for known in range(len(cast) + 1):
        if is_decided(rule, count_votes(cast[:known], 4), len(cast) - known, quorum):
            assert judgement(rule, cast[:known], 4, quorum) == full


@given(st.sampled_from(list(RULES)), st.permutations([{1}, {1, 2}, None, set(), {3}]))
def test_the_order_of_critiques_does_not_matter(rule: str, cast: list[set[int] | None]) -> None:
    assert judgement(rule, cast, 3, 1) == judgement(rule, [{1}, {1, 2}, None, set(), {3}], 3, 1)


@pytest.mark.parametrize(
    ("rule", "needed"),
    [("intersection", 3), ("majority", 3), ("strict_majority", 3), ("union", 4), ("average", 4)],
)
def test_votes_needed(rule: str, needed: int) -> None:
    assert votes_needed(rule, 4, 3) == needed
    assert votes_needed(rule, 1, 1) == 1


def test_capo_rewards() -> None:
    assert capo_rewards([0, 1], 1) == [2, 1]
    assert capo_rewards([0, 1], 0) == [0, -1]
    assert capo_rewards([0, 1, 0.25], None) == [0, -1, -0.25]
    assert capo_rewards([0.5], 0.5, 4, 3) == [0.5]
    assert capo_rewards([], 1) == []
    assert capo_range(True, 2, 1) == (-1, 2)
    assert capo_range(False, 2, 1) == (-1, 0)
    for wrongness, outcome in (([2], 1), ([float("nan")], 1), ([0], float("nan"))):
        with pytest.raises(ValueError, match="not in"):
            capo_rewards(wrongness, outcome)
