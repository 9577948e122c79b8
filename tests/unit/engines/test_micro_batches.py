"""Micro-batches keep everything, in the budget, with little padding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.engines.micro_batches import plan_micro_batches


def test_golden() -> None:
    assert plan_micro_batches([3, 10, 4, 9], 20) == [[1, 3], [2, 0]]
    assert plan_micro_batches([100, 1], 20) == [[0], [1]]
    assert plan_micro_batches([], 20) == []


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 1000))
def test_every_sequence_once_and_in_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan_micro_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or longest * len(batch) <= budget
    order = [lengths[index] for batch in batches for index in batch]
    assert order == sorted(lengths, reverse=True)
