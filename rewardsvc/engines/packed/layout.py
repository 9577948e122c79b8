"""Which tokens one forward pass computes, where each lies, and which hidden states are wanted.

Sequences are laid end to end without padding. Sequences that begin alike form a group whose
common prefix is laid once: prefix, then one suffix after another. Pure numpy, no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MicroBatch", "Segment", "TokenGroup", "group_by_prefix", "plan"]

TokenIds = NDArray[np.int32]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TokenGroup:
    """Sequences with a common prefix.

    Attributes:
        prefix: Token ids every sequence begins with; may be empty.
        suffixes: What follows, one a sequence; may be empty where the prefix is not.
        reads: One a sequence: the positions, 0-based in prefix + suffix and strictly
            ascending, whose hidden state is wanted; may be empty.

    Raises:
        ValueError: an empty sequence, reads out of range or order, unequal counts.
    """

    prefix: TokenIds
    suffixes: tuple[TokenIds, ...]
    reads: tuple[Positions, ...]

    def __post_init__(self) -> None:
        if len(self.suffixes) != len(self.reads):
            raise ValueError(f"reads: {len(self.reads)} for {len(self.suffixes)} suffixes")
        for index, (suffix, reads) in enumerate(zip(self.suffixes, self.reads, strict=True)):
            length = len(self.prefix) + len(suffix)
            if length == 0:
                raise ValueError(f"suffixes[{index}]: prefix and suffix are both empty")
            if len(reads) and (reads[0] < 0 or reads[-1] >= length or np.any(np.diff(reads) <= 0)):
                raise ValueError(
                    f"reads[{index}]: must be strictly ascending within 0..{length - 1}"
                )


@dataclass(frozen=True, slots=True)
class Segment:
    """One group, or the part of it that is in this batch, as rows of the packed batch.

    The prefix has rows start .. start + prefix_length - 1; the suffixes follow it in order.
    """

    start: int
    prefix_length: int
    suffix_lengths: tuple[int, ...]

    @property
    def suffix_start(self) -> int:
        """The first row after the prefix."""
        return self.start + self.prefix_length

    @property
    def end(self) -> int:
        """The row after the last."""
        return self.suffix_start + sum(self.suffix_lengths)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return self.prefix_length + max(self.suffix_lengths, default=0)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What one forward pass computes.

    Attributes:
        token_ids: (tokens,) in packed order.
        position_ids: (tokens,) each token's position in its own sequence.
        segments: In packed order, without gaps.
        read_rows: (reads,) the packed row of each wanted hidden state; a row in a shared
            prefix can be wanted several times.
        read_groups: (reads,) index of the read's group in what was given to `plan`.
        read_sequences: (reads,) index of the read's sequence in its group.
        read_positions: (reads,) its position in the sequence.
    """

    token_ids: TokenIds
    position_ids: TokenIds
    segments: tuple[Segment, ...]
    read_rows: Positions
    read_groups: Positions
    read_sequences: Positions
    read_positions: Positions

    @property
    def tokens(self) -> int:
        """Tokens that are computed."""
        return len(self.token_ids)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max((segment.longest for segment in self.segments), default=0)


def group_by_prefix(sequences: Sequence[Iterable[int]], reads: Sequence[Positions]) -> TokenGroup:
    """The sequences as a group, with their longest common prefix taken out.

    `sequences` are token ids, `reads` as in `TokenGroup`. One sequence is all prefix.

    Raises:
        ValueError: as `TokenGroup`.
    """
    arrays = [_ids(sequence) for sequence in sequences]
    common = _common_prefix(arrays)
    return TokenGroup(
        prefix=arrays[0][:common] if arrays else _ids(()),
        suffixes=tuple(array[common:] for array in arrays),
        reads=tuple(np.asarray(positions, dtype=np.int64) for positions in reads),
    )


def _ids(sequence: Iterable[int]) -> TokenIds:
    if not isinstance(sequence, np.ndarray):
        sequence = np.array(list(sequence), dtype=np.int32)
    return np.ascontiguousarray(sequence, dtype=np.int32)


def _common_prefix(arrays: Sequence[TokenIds]) -> int:
    if not arrays:
        return 0
    common = min(len(array) for array in arrays)
    first = arrays[0]
    for array in arrays[1:]:
        differing = np.flatnonzero(array[:common] != first[:common])
        if len(differing):
            common = int(differing[0])
    return common


@dataclass(frozen=True, slots=True)
class _Part:
    """Sequences of one group that are computed together: equal suffixes once."""

    group: int
    prefix: TokenIds
    suffixes: list[TokenIds]
    readers: list[list[tuple[int, Positions]]]
    """For each suffix, the sequences that have it: index in the group, and reads."""

    @property
    def tokens(self) -> int:
        return len(self.prefix) + sum(len(suffix) for suffix in self.suffixes)


def plan(
    groups: Sequence[TokenGroup], token_budget: int, *, share_prefix: bool = True
) -> list[MicroBatch]:
    """Micro-batches of at most `token_budget` computed tokens, groups in the order given.

    A group above the budget is split, its prefix repeated in every part; a sequence above the
    budget is alone. Equal sequences of a group are computed once. With `share_prefix` False
    every sequence is computed whole and for itself. Groups without sequences give nothing.

    Raises:
        ValueError: `token_budget` is not positive.
    """
    if token_budget < 1:
        raise ValueError(f"token_budget: must be at least 1, not {token_budget}")
    batches: list[list[_Part]] = []
    room = 0
    for index, group in enumerate(groups):
        parts = (
            _shared_parts(index, group, token_budget)
            if share_prefix
            else _separate_parts(index, group)
        )
        for part in parts:
            if not batches or part.tokens > room:
                batches.append([])
                room = token_budget
            batches[-1].append(part)
            room -= part.tokens
    return [_lay_out(parts) for parts in batches]


def _shared_parts(index: int, group: TokenGroup, token_budget: int) -> list[_Part]:
    distinct: dict[bytes, int] = {}
    parts: list[_Part] = []
    where: list[tuple[_Part, int]] = []
    for sequence, (suffix, reads) in enumerate(zip(group.suffixes, group.reads, strict=True)):
        known = distinct.setdefault(suffix.tobytes(), len(where))
        if known == len(where):
            if not parts or parts[-1].tokens + len(suffix) > token_budget:
                parts.append(_Part(index, group.prefix, [], []))
            where.append((parts[-1], len(parts[-1].suffixes)))
            parts[-1].suffixes.append(suffix)
            parts[-1].readers.append([])
        part, slot = where[known]
        part.readers[slot].append((sequence, reads))
    return parts


def _separate_parts(index: int, group: TokenGroup) -> list[_Part]:
    nothing = group.prefix[:0]
    return [
        _Part(index, np.concatenate([group.prefix, suffix]), [nothing], [[(sequence, reads)]])
        for sequence, (suffix, reads) in enumerate(zip(group.suffixes, group.reads, strict=True))
    ]


def _lay_out(parts: Sequence[_Part]) -> MicroBatch:
    tokens: list[TokenIds] = []
    positions: list[TokenIds] = []
    segments: list[Segment] = []
    rows: list[Positions] = []
    groups: list[Positions] = []
    sequences: list[Positions] = []
    read_positions: list[Positions] = []
    start = 0
    for part in parts:
        prefix_length = len(part.prefix)
        lengths = tuple(len(suffix) for suffix in part.suffixes)
        segments.append(Segment(start, prefix_length, lengths))
        tokens.extend((part.prefix, *part.suffixes))
        positions.append(np.arange(prefix_length, dtype=np.int32))
        suffix_start = start + prefix_length
        for length, readers in zip(lengths, part.readers, strict=True):
            positions.append(np.arange(prefix_length, prefix_length + length, dtype=np.int32))
            for sequence, reads in readers:
                in_prefix = reads < prefix_length
                rows.append(reads + np.where(in_prefix, start, suffix_start - prefix_length))
                groups.append(np.full(len(reads), part.group, dtype=np.int64))
                sequences.append(np.full(len(reads), sequence, dtype=np.int64))
                read_positions.append(reads)
            suffix_start += length
        start = suffix_start
    return MicroBatch(
        token_ids=np.concatenate(tokens),
        position_ids=np.concatenate(positions),
        segments=tuple(segments),
        read_rows=np.concatenate(rows),
        read_groups=np.concatenate(groups),
        read_sequences=np.concatenate(sequences),
        read_positions=np.concatenate(read_positions),
    )
