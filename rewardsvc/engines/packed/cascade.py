"""Cascade attention: a shared prefix and its suffixes attended to in one pass.

Every run of tokens (a prefix, a suffix) attends causally to itself; the suffix tokens of a
group attend also, all at once and without a mask, to the group's prefix. The two partial
softmaxes are merged exactly by their log-sum-exps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rewardsvc.engines.packed.attention import AttentionRules
from rewardsvc.engines.packed.dense import attend_with_mask
from rewardsvc.engines.packed.layout import MicroBatch, Segment

__all__ = [
    "Chunk",
    "ChunkKernel",
    "KeysValues",
    "Piece",
    "attend",
    "cut_into_chunks",
    "merge",
]


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float,
    causal: bool = False,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Softmax attention on the CPU and its log-sum-exp.

    Query (1, heads, n, size), key and value (1, key heads, m, size), heads a multiple of the
    key heads; `mask` (n, m) is added to the scaled products. Gives (1, heads, n, size) and
    (1, heads, n) in float32.
    """
    output: Tensor
    logsumexp: Tensor
    output, logsumexp = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, attn_mask=mask, scale=scale
    )
    return output, logsumexp


def merge(first: Tensor, first_lse: Tensor, second: Tensor, second_lse: Tensor) -> Tensor:
    """The attention over the keys of both from the attention over each.

    With outputs o1, o2 and log-sum-exps l1, l2 over disjoint keys the output over all keys is
    (e^l1 o1 + e^l2 o2) / (e^l1 + e^l2) = o1 + sigmoid(l2 - l1) (o2 - o1): the online softmax of
    Milakov and Gimelshein (arXiv 1805.02867, section 3), as FlashAttention and cascade
    inference merge partial results. Outputs (..., size), log-sum-exps (...).
    """
    weight = torch.sigmoid(second_lse - first_lse).unsqueeze(-1).to(first.dtype)
    return torch.lerp(first, second, weight)


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows of one run; a run is a prefix or a suffix.

    Attributes:
        run: The run's first row.
        start: The piece's first row.
        stop: The row after its last.
    """

    run: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive packed rows that go through a layer together.

    Attributes:
        start: The first row.
        stop: The row after the last.
        parts: The pieces in it, by segment.
    """

    start: int
    stop: int
    parts: tuple[tuple[Segment, tuple[Piece, ...]], ...]


def cut_into_chunks(batch: MicroBatch, rows: int) -> list[Chunk]:
    """The batch in chunks of about `rows` rows: whole runs, but for runs of more than twice that.

    A layer can run chunk by chunk, because a row sees none that is packed after it.
    """
    chunks: list[Chunk] = []
    parts: list[tuple[Segment, list[Piece]]] = []
    begun = 0
    for segment in batch.segments:
        run = segment.start
        for length in (segment.prefix_length, *segment.suffix_lengths):
            step = length if length <= 2 * rows else rows
            for start in range(run, run + length, max(step, 1)):
                stop = min(start + step, run + length)
                if parts and stop - begun > rows:
                    chunks.append(_chunk(begun, start, parts))
                    parts, begun = [], start
                if not parts or parts[-1][0] is not segment:
                    parts.append((segment, []))
                parts[-1][1].append(Piece(run, start, stop))
            run += length
    if parts:
        chunks.append(_chunk(begun, batch.tokens, parts))
    return chunks


def _chunk(start: int, stop: int, parts: list[tuple[Segment, list[Piece]]]) -> Chunk:
    return Chunk(start, stop, tuple((segment, tuple(pieces)) for segment, pieces in parts))


class KeysValues:
    """The keys and values of one layer, gathered chunk by chunk.

    Args:
        rows: How many rows there will be.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._key: Tensor | None = None
        self._value: Tensor | None = None

    def store(self, start: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keeps those of the rows from `start`; gives all, of which later rows are undefined."""
        count = key.shape[2]
        if count == self._rows:
            return key, value
        if self._key is None or self._value is None:
            shape = (1, self._rows, key.shape[1], key.shape[3])
            self._key = key.new_empty(shape).transpose(1, 2)
            self._value = value.new_empty(shape).transpose(1, 2)
        self._key[:, :, start : start + count] = key
        self._value[:, :, start : start + count] = value
        return self._key, self._value


class ChunkKernel:
    """Attention of a chunk, piece by piece; for the CPU, and for odd rules on a GPU."""

    def __init__(self, chunk: Chunk, kept: KeysValues, longest: int, device: torch.device) -> None:
        self._chunk = chunk
        self._kept = kept
        self._longest = longest
        self._device = device

    @property
    def rows(self) -> Tensor:
        """As in `AttentionKernel`."""
        return torch.arange(self._chunk.start, self._chunk.stop, device=self._device)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rules: AttentionRules) -> Tensor:
        """As `AttentionKernel`, for the rows of the chunk."""
        key, value = self._kept.store(self._chunk.start, key, value)
        heads, count, size = query.shape[1:]
        output = query.new_empty(1, count, heads, size)
        # The kernels give heads before rows; models want rows before heads.
        by_head = output.transpose(1, 2)
        fast = rules.plain(self._longest) and query.device.type == "cpu"
        for segment, pieces in self._chunk.parts:
            if fast:
                self._cascade(segment, pieces, query, key, value, rules.scale, by_head)
            else:
                self._masked(segment, pieces, query, key, value, rules, by_head)
        return output

    def _cascade(
        self,
        segment: Segment,
        pieces: Sequence[Piece],
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        output: Tensor,
    ) -> None:
        below = [piece for piece in pieces if piece.run >= segment.suffix_start]
        shared = bool(below) and segment.prefix_length > 0
        if shared:
            prefix = slice(segment.start, segment.suffix_start)
            first = below[0].start
            over_prefix, prefix_lse = attend(
                query[:, :, self._inner(first, below[-1].stop)],
                key[:, :, prefix],
                value[:, :, prefix],
                scale=scale,
            )
        for piece in pieces:
            own, inner = slice(piece.start, piece.stop), self._inner(piece.start, piece.stop)
            rows = query[:, :, inner]
            found, lse = attend(rows, key[:, :, own], value[:, :, own], causal=True, scale=scale)
            if piece.start > piece.run:
                seen = slice(piece.run, piece.start)
                earlier, earlier_lse = attend(rows, key[:, :, seen], value[:, :, seen], scale=scale)
                found = merge(found, lse, earlier, earlier_lse)
                lse = torch.logaddexp(lse, earlier_lse)
            if shared and piece.run >= segment.suffix_start:
                of_prefix = slice(piece.start - first, piece.stop - first)
                found = merge(found, lse, over_prefix[:, :, of_prefix], prefix_lse[:, :, of_prefix])
            output[:, :, inner] = found

    def _masked(
        self,
        segment: Segment,
        pieces: Sequence[Piece],
        query: Tensor,
        key: Tensor,
        value: Tensor,
        rules: AttentionRules,
        output: Tensor,
    ) -> None:
        prefix = slice(segment.start, segment.suffix_start)
        for piece in pieces:
            inner = self._inner(piece.start, piece.stop)
            seen = slice(piece.run, piece.stop)
            keys, values = key[:, :, seen], value[:, :, seen]
            if piece.run >= segment.suffix_start and segment.prefix_length:
                keys = torch.cat([key[:, :, prefix], keys], dim=2)
                values = torch.cat([value[:, :, prefix], values], dim=2)
            end = keys.shape[2]
            positions = torch.arange(end - (piece.stop - piece.start), end, device=query.device)
            output[:, :, inner] = attend_with_mask(
                query[:, :, inner], keys, values, positions, rules
            )

    def _inner(self, start: int, stop: int) -> slice:
        return slice(start - self._chunk.start, stop - self._chunk.start)
