"""Cascade attention on a GPU: two variable-length calls a layer, whatever the batch holds.

FlashAttention's own package is used where it is installed, else torch's variable-length
attention, which brings a FlashAttention kernel along. Both want half precision; float32 and
the rules that these kernels lack go piece by piece (`cascade`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewardsvc.engines.packed.attention import AttentionKernel, AttentionRules
from rewardsvc.engines.packed.cascade import ChunkKernel, KeysValues, cut_into_chunks, merge
from rewardsvc.engines.packed.layout import MicroBatch, Segment

__all__ = [
    "Bounds",
    "Varlen",
    "VarlenKernel",
    "VarlenRowsKernel",
    "varlen_attention",
    "worth_gathering",
]

_HALF = (torch.float16, torch.bfloat16)


class Bounds(NamedTuple):
    """Where the sequences of a packed tensor begin and end.

    Attributes:
        offsets: (sequences + 1,) int32, on the device.
        longest: Tokens of the longest sequence.
    """

    offsets: Tensor
    longest: int


Varlen = Callable[[Tensor, Tensor, Tensor, Bounds, Bounds, bool, float], tuple[Tensor, Tensor]]
"""Query (rows, heads, size), key, value (rows, key heads, size), bounds of the queries and of
the keys, causal or not, scale; to outputs (rows, heads, size) and log-sum-exps (rows, heads)."""


def varlen_attention(device: torch.device, dtype: torch.dtype) -> Varlen | None:
    """The variable-length kernel there is for tensors of this kind; None: none."""
    if device.type != "cuda" or dtype not in _HALF:
        return None
    return _installed()


@cache
def _installed() -> Varlen:
    try:
        flash: Any = importlib.import_module("flash_attn")
    except ImportError:
        return _torch_varlen
    function = flash.flash_attn_varlen_func

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        queries: Bounds,
        keys: Bounds,
        causal: bool,
        scale: float,
    ) -> tuple[Tensor, Tensor]:
        output, lse, _ = function(
            query,
            key,
            value,
            queries.offsets,
            keys.offsets,
            queries.longest,
            keys.longest,
            softmax_scale=scale,
            causal=causal,
            return_attn_probs=True,
        )
        return output, _by_row(lse, query)

    return attend


def _torch_varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    queries: Bounds,
    keys: Bounds,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor]:
    from torch.nn.attention.varlen import AuxRequest, varlen_attn

    output, lse = varlen_attn(
        query,
        key,
        value,
        queries.offsets,
        keys.offsets,
        queries.longest,
        keys.longest,
        return_aux=AuxRequest(lse=True),
        scale=scale,
        window_size=(-1, 0) if causal else (-1, -1),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return output, _by_row(lse, query)


def _by_row(lse: Tensor, query: Tensor) -> Tensor:
    """Kernels differ in which of (rows, heads) comes first."""
    return lse if lse.shape == query.shape[:2] else lse.transpose(0, 1)


class _Prefixes:
    """What some queries, laid out by segment, see of their segments' prefixes."""

    def __init__(
        self, parts: Sequence[tuple[Segment, int, int]], device: torch.device, varlen: Varlen
    ) -> None:
        """`parts`: a segment, and the range of the queries that come after its prefix."""
        parts = [part for part in parts if part[0].prefix_length and part[1] < part[2]]
        self._varlen = varlen
        self._below = _index([(start, stop) for _, start, stop in parts], device)
        self._seen = _index([(s.start, s.suffix_start) for s, _, _ in parts], device)
        self._queries = _bounds([stop - start for _, start, stop in parts], device)
        self._keys = _bounds([s.prefix_length for s, _, _ in parts], device)

    def merge_into(
        self, output: Tensor, lse: Tensor, query: Tensor, key: Tensor, value: Tensor, scale: float
    ) -> None:
        """Merges the attention to the prefixes into the outputs of these queries."""
        below, seen = self._below, self._seen
        if not len(below):
            return
        over_prefix, prefix_lse = self._varlen(
            query[below], key[seen], value[seen], self._queries, self._keys, False, scale
        )
        output[below] = merge(output[below], lse[below], over_prefix, prefix_lse)


class VarlenKernel:
    """Attention of a whole micro-batch by a variable-length kernel."""

    rows = None

    def __init__(self, batch: MicroBatch, device: torch.device, varlen: Varlen) -> None:
        self._varlen = varlen
        self._longest = batch.longest
        (whole,) = cut_into_chunks(batch, batch.tokens)
        self._otherwise: AttentionKernel = ChunkKernel(
            whole, KeysValues(batch.tokens), batch.longest, device
        )
        runs = [length for s in batch.segments for length in _runs(s) if length]
        self._own = _bounds(runs, device)
        parts = [(s, s.suffix_start, s.end) for s in batch.segments]
        self._prefixes = _Prefixes(parts, device, varlen)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rules: AttentionRules) -> Tensor:
        """As `AttentionKernel`."""
        if not rules.plain(self._longest):
            return self._otherwise(query, key, value, rules)
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        output, lse = self._varlen(q, k, v, self._own, self._own, True, rules.scale)
        self._prefixes.merge_into(output, lse, q, k, v, rules.scale)
        return output[None]


class VarlenRowsKernel:
    """Attention of some rows to the keys and values of all rows, each row a sequence of one."""

    def __init__(
        self,
        batch: MicroBatch,
        rows: NDArray[np.int64],
        where: Tensor,
        key: Tensor,
        value: Tensor,
        varlen: Varlen,
        otherwise: AttentionKernel,
    ) -> None:
        self._varlen = varlen
        self._longest = batch.longest
        self._otherwise = otherwise
        self._key = key
        self._value = value
        self.rows = where
        device = where.device
        begins = _run_starts(batch)[rows]
        self._seen = _index(list(zip(begins, rows + 1, strict=True)), device)
        self._ones = _bounds([1] * len(rows), device)
        self._own = _bounds((rows + 1 - begins).tolist(), device)
        parts = []
        for segment in batch.segments:
            first, stop = np.searchsorted(rows, [segment.suffix_start, segment.end])
            parts.append((segment, int(first), int(stop)))
        self._prefixes = _Prefixes(parts, device, varlen)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rules: AttentionRules) -> Tensor:
        """As `AttentionKernel`; the keys and values of the rows alone are not used."""
        if not rules.plain(self._longest):
            return self._otherwise(query, key, value, rules)
        q, k, v = (states[0].transpose(0, 1) for states in (query, self._key, self._value))
        seen = self._seen
        output, lse = self._varlen(q, k[seen], v[seen], self._ones, self._own, False, rules.scale)
        self._prefixes.merge_into(output, lse, q, k, v, rules.scale)
        return output[None]


def worth_gathering(batch: MicroBatch, rows: NDArray[np.int64]) -> bool:
    """Whether the keys that rows see in their own runs, copied for each, stay within bounds."""
    return int((rows + 1 - _run_starts(batch)[rows]).sum()) <= 2 * batch.tokens


def _runs(segment: Segment) -> Sequence[int]:
    return (segment.prefix_length, *segment.suffix_lengths)


def _run_starts(batch: MicroBatch) -> NDArray[np.int64]:
    """(tokens,) the first row of the prefix or suffix that each row is in."""
    lengths = np.array([length for s in batch.segments for length in _runs(s)], dtype=np.int64)
    return np.repeat(np.cumsum(lengths) - lengths, lengths)


def _bounds(lengths: Sequence[int], device: torch.device) -> Bounds:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    on_device = torch.from_numpy(offsets).to(device, non_blocking=True)
    return Bounds(on_device, max(lengths, default=0))


def _index(ranges: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
    parts = [np.arange(start, stop) for start, stop in ranges]
    rows = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    return torch.from_numpy(rows).to(device, non_blocking=True)
