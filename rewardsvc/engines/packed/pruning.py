"""The last layer, computed only where its result is wanted.

Keys and values are needed of every token; queries, the output projection and the MLP only of
the rows whose hidden state is read, often one a sequence. Of a model of L layers this saves
nearly one in L.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rewardsvc.engines.packed.attention import AttentionKernel, AttentionRules
from rewardsvc.engines.packed.cascade import Chunk, KeysValues, attend, merge
from rewardsvc.engines.packed.decoder import PositionEmbeddings, run_layer
from rewardsvc.engines.packed.dense import attend_with_mask
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.packed.varlen import Varlen, VarlenRowsKernel, worth_gathering

__all__ = ["RowsKernel", "keys_and_values", "run_layer_at_rows", "worth_pruning"]


def worth_pruning(batch: MicroBatch, rows: NDArray[np.int64], varlen: Varlen | None) -> bool:
    """Whether few enough of the rows are read."""
    few = 2 * len(rows) <= batch.tokens
    return few and (varlen is None or worth_gathering(batch, rows))


def run_layer_at_rows(
    layer: nn.Module,
    index: int,
    hidden: Tensor,
    position_ids: Tensor,
    embeddings: PositionEmbeddings,
    batch: MicroBatch,
    chunks: Sequence[Chunk],
    rows: NDArray[np.int64],
    varlen: Varlen | None,
) -> Tensor:
    """The layer's output (1, len(rows), hidden) at ascending packed rows."""
    cosines, sines = embeddings(index)
    kept = KeysValues(batch.tokens)
    for chunk in chunks:
        own = slice(chunk.start, chunk.stop)
        key, value = keys_and_values(layer, hidden[:, own], (cosines[:, own], sines[:, own]))
        key, value = kept.store(chunk.start, key, value)
    where = torch.from_numpy(rows).to(hidden.device)
    kernel: AttentionKernel = RowsKernel(batch, rows, where, key, value)
    if varlen is not None:
        kernel = VarlenRowsKernel(batch, rows, where, key, value, varlen, kernel)
    return run_layer(
        layer,
        hidden[:, where],
        position_ids[:, where],
        (cosines[:, where], sines[:, where]),
        kernel,
    )


def keys_and_values(
    layer: Any, hidden: Tensor, embeddings: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The rotated keys and the values of a layer of the usual build, (1, key heads, rows, size).

    Usual: a norm before the attention, separate projections, an optional norm of each head's
    keys, rotary positions.

    Raises:
        AttributeError: the layer is of another build.
    """
    attention = layer.self_attn
    normed = layer.input_layernorm(hidden)
    shape = (*hidden.shape[:-1], -1, attention.head_dim)
    key = attention.k_proj(normed).view(shape)
    if getattr(attention, "k_norm", None) is not None:
        key = attention.k_norm(key)
    key = key.transpose(1, 2)
    value = attention.v_proj(normed).view(shape).transpose(1, 2)
    rotate = sys.modules[type(attention).__module__].apply_rotary_pos_emb
    # It rotates queries too: one head of one is the least it can be given.
    _, key = rotate(key[:, :1], key, *embeddings)
    return key, value


class RowsKernel:
    """Attention of some rows to the keys and values of all rows."""

    def __init__(
        self,
        batch: MicroBatch,
        rows: NDArray[np.int64],
        where: Tensor,
        key: Tensor,
        value: Tensor,
    ) -> None:
        self._batch = batch
        self._rows = rows
        self._key = key
        self._value = value
        self.rows = where

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rules: AttentionRules) -> Tensor:
        """As an AttentionKernel; the keys and values of the rows alone are not used."""
        heads, count, size = query.shape[1:]
        output = query.new_empty(1, count, heads, size)
        by_head = output.transpose(1, 2)
        fast = rules.plain(self._batch.longest) and query.device.type == "cpu"
        for segment in self._batch.segments:
            prefix = slice(segment.start, segment.suffix_start)
            bounds = [segment.start, segment.suffix_start]
            for length in segment.suffix_lengths:
                bounds.append(bounds[-1] + length)
            cuts = np.searchsorted(self._rows, bounds)
            if cuts[0] < cuts[1]:
                here = slice(cuts[0], cuts[1])
                by_head[:, :, here] = self._within(query[:, :, here], here, prefix, rules)
            if cuts[1] == cuts[-1]:
                continue
            shared = fast and segment.prefix_length > 0
            if shared:
                below = slice(cuts[1], cuts[-1])
                over_prefix, prefix_lse = attend(
                    query[:, :, below],
                    self._key[:, :, prefix],
                    self._value[:, :, prefix],
                    scale=rules.scale,
                )
            for run in range(1, len(bounds) - 1):
                here = slice(cuts[run], cuts[run + 1])
                if here.start == here.stop:
                    continue
                own = slice(bounds[run], bounds[run + 1])
                if not fast:
                    by_head[:, :, here] = self._within(query[:, :, here], here, own, rules, prefix)
                    continue
                partial, partial_lse = attend(
                    query[:, :, here],
                    self._key[:, :, own],
                    self._value[:, :, own],
                    scale=rules.scale,
                    mask=self._mask(here, own, query.dtype),
                )
                if shared:
                    inner = slice(here.start - below.start, here.stop - below.start)
                    partial = merge(
                        partial, partial_lse, over_prefix[:, :, inner], prefix_lse[:, :, inner]
                    )
                by_head[:, :, here] = partial
        return output

    def _mask(self, here: slice, own: slice, dtype: torch.dtype) -> Tensor | None:
        rows = torch.from_numpy(self._rows[here])
        if len(rows) == 1 and int(rows[0]) == own.stop - 1:
            return None
        later = torch.arange(own.start, own.stop) > rows[:, None]
        return torch.zeros(later.shape, dtype=dtype).masked_fill_(later, float("-inf"))

    def _within(
        self,
        query: Tensor,
        here: slice,
        own: slice,
        rules: AttentionRules,
        before: slice = slice(0, 0),
    ) -> Tensor:
        """Rows of the run `own`, whose sequence begins with the run `before`."""
        length = before.stop - before.start
        positions = torch.from_numpy(self._rows[here] - own.start + length).to(query.device)
        keys, values = (
            torch.cat([whole[:, :, before], whole[:, :, own]], dim=2)
            if length
            else whole[:, :, own]
            for whole in (self._key, self._value)
        )
        return attend_with_mask(query, keys, values, positions, rules)
