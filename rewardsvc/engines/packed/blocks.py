"""A micro-batch cut into blocks of equal size, so that no result depends on its neighbours.

Floating-point sums depend on the order of their terms, and a matrix product chooses that order
by its shape; so a sequence's score changes in its last bits with what it is batched with. Here
every sequence is cut at multiples of `BLOCK_TOKENS` of its own positions, and each block is run
alone: what is computed for a block, and in which shapes, is decided by its own tokens and those
before it. Blocks that lie whole in a shared prefix are run once, which changes nothing in them.

Derived: the argument is that of batch invariance (one fixed reduction order a row), reached by
fixed shapes alone and so without kernels of our own. It holds for one machine, one version of
its libraries and one number of threads; not between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines.packed.layout import MicroBatch, Segment

__all__ = ["BLOCK_TOKENS", "Block", "BlockedBatch", "cut_into_blocks"]

BLOCK_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive tokens of one sequence, or of several that begin alike.

    Attributes:
        rows: (BLOCK_TOKENS,) packed rows; the last row again where the sequence has ended.
        start: Position of the first token, a multiple of BLOCK_TOKENS.
        before: The blocks that the sequence begins with, in order.
    """

    rows: NDArray[np.int64]
    start: int
    before: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BlockedBatch:
    """A micro-batch in blocks; a block comes after those it builds on.

    Attributes:
        blocks: All blocks.
        read_blocks: (reads,) the block that each read is taken from.
        read_offsets: (reads,) and the row in it.
    """

    blocks: tuple[Block, ...]
    read_blocks: NDArray[np.int64]
    read_offsets: NDArray[np.int64]


def cut_into_blocks(batch: MicroBatch) -> BlockedBatch:
    """The batch in blocks. A prefix's tail that fills no block is computed in every suffix."""
    blocks: list[Block] = []
    row_block = np.zeros(batch.tokens, dtype=np.int64)
    row_offset = np.zeros(batch.tokens, dtype=np.int64)
    for segment in batch.segments:
        for rows, before, shared in _sequences(segment, len(blocks)):
            lineage = list(before)
            for start in range(shared, len(rows), BLOCK_TOKENS):
                own = rows[start : start + BLOCK_TOKENS]
                row_block[own] = len(blocks)
                row_offset[own] = np.arange(len(own))
                padded = np.concatenate([own, np.repeat(own[-1:], BLOCK_TOKENS - len(own))])
                blocks.append(Block(padded, start, tuple(lineage)))
                lineage.append(len(blocks) - 1)
    return BlockedBatch(tuple(blocks), row_block[batch.read_rows], row_offset[batch.read_rows])


def _sequences(
    segment: Segment, first_block: int
) -> list[tuple[NDArray[np.int64], tuple[int, ...], int]]:
    """Rows, the blocks before, and the position to begin at: the shared part, then the rest."""
    prefix = np.arange(segment.start, segment.suffix_start)
    suffixes = []
    start = segment.suffix_start
    for length in segment.suffix_lengths:
        if length:
            suffixes.append(np.arange(start, start + length))
        start += length
    if not suffixes:
        return [(prefix, (), 0)]
    shared = len(prefix) // BLOCK_TOKENS * BLOCK_TOKENS
    before = tuple(range(first_block, first_block + shared // BLOCK_TOKENS))
    return [
        (prefix[:shared], (), 0),
        *((np.concatenate([prefix, suffix]), before, shared) for suffix in suffixes),
    ]
