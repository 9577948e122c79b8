"""Running sequences in micro-batches: everything in its place, failures apart."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.passes import TokenSequence, run_sequences

POISON = 99


def compute(batch: MicroBatch, owners: NDArray[np.int64]) -> torch.Tensor:
    """Of each read its token, position and sequence; raises where the poison is about."""
    if POISON in batch.token_ids:
        raise RuntimeError("poisoned")
    tokens = batch.token_ids[batch.read_rows]
    return torch.tensor(np.stack([tokens, batch.read_positions, owners], axis=1))


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 3) | st.just(POISON), min_size=1, max_size=8),
            st.integers(0, 2),
        ),
        max_size=12,
    ),
    st.integers(1, 30),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_every_read_comes_back_to_its_sequence(
    drawn: list[tuple[list[int], int]], budget: int, share: bool, random: object
) -> None:
    sequences = []
    for ids, group in drawn:
        count = random.randint(1, len(ids))  # type: ignore[attr-defined]
        reads = sorted(random.sample(range(len(ids)), count))  # type: ignore[attr-defined]
        sequences.append(TokenSequence(ids, reads, group))
    found, failures = run_sequences(sequences, compute, token_budget=budget, share_prefix=share)
    assert len(found) == len(sequences)
    for index, (sequence, rows) in enumerate(zip(sequences, found, strict=True)):
        if POISON in sequence.ids:
            assert failures[index] == "RuntimeError: poisoned"
            assert len(rows) == 0
        else:
            expected = [[sequence.ids[read], read, index] for read in sequence.reads]
            np.testing.assert_array_equal(rows, expected)
    assert set(failures) == {i for i, s in enumerate(sequences) if POISON in s.ids}
