"""Which tokens are computed: grouping by prefix and planning micro-batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.engines.packed.layout import TokenGroup, group_by_prefix, plan

tokens = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@st.composite
def token_groups(draw):
    sequences = draw(st.lists(tokens, min_size=0, max_size=6))
    reads = [
        np.array(sorted(draw(st.sets(st.integers(0, len(s) - 1), max_size=3))), dtype=np.int64)
        for s in sequences
    ]
    return sequences, group_by_prefix(sequences, reads)


def last(sequences):
    return [np.array([len(s) - 1]) for s in sequences]


def test_the_common_prefix_is_taken_out():
    sequences = [[5, 6, 7, 8], [5, 6, 9], [5, 6]]
    group = group_by_prefix(sequences, last(sequences))
    assert group.prefix.tolist() == [5, 6]
    assert [s.tolist() for s in group.suffixes] == [[7, 8], [9], []]


def test_one_sequence_is_all_prefix():
    group = group_by_prefix([[1, 2, 3]], [np.array([2])])
    assert group.prefix.tolist() == [1, 2, 3]
    assert len(group.suffixes[0]) == 0


def test_rows_and_positions_of_a_shared_prefix():
    sequences = [[5, 6, 7, 8], [5, 6, 9], [5, 6]]
    (batch,) = plan([group_by_prefix(sequences, last(sequences))], 100)
    assert batch.token_ids.tolist() == [5, 6, 7, 8, 9]
    assert batch.position_ids.tolist() == [0, 1, 2, 3, 2]
    assert batch.read_rows.tolist() == [3, 4, 1]
    assert batch.read_sequences.tolist() == [0, 1, 2]
    assert batch.longest == 4


def test_equal_sequences_are_computed_once():
    sequences = [[5, 6, 7], [5, 9], [5, 6, 7]]
    (batch,) = plan([group_by_prefix(sequences, last(sequences))], 100)
    assert batch.token_ids.tolist() == [5, 6, 7, 9]
    rows = dict(zip(batch.read_sequences.tolist(), batch.read_rows.tolist(), strict=True))
    assert rows == {0: 2, 1: 3, 2: 2}


def test_a_group_above_the_budget_repeats_its_prefix():
    sequences = [[1, 1, 1, n, n] for n in range(2, 7)]
    batches = plan([group_by_prefix(sequences, last(sequences))], 7)
    assert [b.tokens for b in batches] == [7, 7, 5]
    assert all(b.token_ids[:3].tolist() == [1, 1, 1] for b in batches)


def test_groups_keep_their_order_and_share_a_batch_where_they_fit():
    groups = [group_by_prefix([[n] * 4], [np.array([3])]) for n in range(5)]
    assert [b.read_groups.tolist() for b in plan(groups, 8)] == [[0, 1], [2, 3], [4]]


@given(st.lists(token_groups(), max_size=4), st.integers(1, 40), st.booleans())
def test_every_read_is_planned_once_and_finds_its_own_tokens(drawn, budget, share):
    groups = [group for _, group in drawn]
    batches = plan(groups, budget, share_prefix=share)
    found = []
    for batch in batches:
        alone = batch.tokens <= budget or sum(len(s.suffix_lengths) for s in batch.segments) == 1
        assert alone
        assert sum(s.end - s.start for s in batch.segments) == batch.tokens
        for row, group, sequence, position in zip(
            batch.read_rows,
            batch.read_groups,
            batch.read_sequences,
            batch.read_positions,
            strict=True,
        ):
            whole = drawn[group][0][sequence]
            assert batch.token_ids[row] == whole[position]
            assert batch.position_ids[row] == position
            found.append((int(group), int(sequence), int(position)))
    wanted = [
        (g, s, int(p))
        for g, group in enumerate(groups)
        for s, reads in enumerate(group.reads)
        for p in reads
    ]
    assert sorted(found) == wanted


@pytest.mark.parametrize(
    ("prefix", "suffixes", "reads", "message"),
    [
        ([], [[]], [[]], r"suffixes\[0\]: prefix and suffix are both empty"),
        ([1], [[2]], [[2]], r"reads\[0\]: must be strictly ascending within 0\.\.1"),
        ([1], [[2]], [[-1]], r"reads\[0\]"),
        ([1], [[2], [3]], [[0], [1, 1]], r"reads\[1\]"),
        ([1], [[2]], [], r"reads: 0 for 1 suffixes"),
    ],
)
def test_a_wrong_group_is_refused(prefix, suffixes, reads, message):
    with pytest.raises(ValueError, match=message):
        TokenGroup(
            np.array(prefix, dtype=np.int32),
            tuple(np.array(s, dtype=np.int32) for s in suffixes),
            tuple(np.array(r, dtype=np.int64) for r in reads),
        )


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="token_budget: must be at least 1, not 0"):
        plan([], 0)
