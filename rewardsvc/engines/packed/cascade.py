"""Cascade attention: a shared prefix and its suffixes attended to in one pass.

Every run of tokens (a prefix, a suffix) attends causally to itself; the suffix tokens of a
group attend also, all at once and without a mask, to the group's prefix. The two partial
softmaxes are merged exactly by their log-sum-exps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rewardsvc.engines.packed.attention import AttentionRules
from rewardsvc.engines.packed.dense import attend_with_mask
from rewardsvc.engines.packed.layout import MicroBatch, Segment

__all__ = ["SegmentKernel", "attend", "merge"]


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


class SegmentKernel:
    """Attention of a whole micro-batch, segment by segment; for the CPU and for odd rules."""

    rows = None

    def __init__(self, batch: MicroBatch) -> None:
        self._segments = batch.segments
        self._longest = batch.longest

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rules: AttentionRules) -> Tensor:
        heads, rows, size = query.shape[1:]
        output = query.new_empty(1, rows, heads, size)
        # The kernels give heads before rows; models want rows before heads.
        by_head = output.transpose(1, 2)
        if rules.plain(self._longest) and query.device.type == "cpu":
            for segment in self._segments:
                self._cascade(segment, query, key, value, rules.scale, by_head)
        else:
            for segment in self._segments:
                self._masked(segment, query, key, value, rules, by_head)
        return output

    def _cascade(
        self,
        segment: Segment,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        output: Tensor,
    ) -> None:
        prefix = slice(segment.start, segment.suffix_start)
        suffixes = slice(segment.suffix_start, segment.end)
        shared = segment.prefix_length > 0 and segment.end > segment.suffix_start
        if segment.prefix_length:
            output[:, :, prefix], _ = attend(
                query[:, :, prefix],
                key[:, :, prefix],
                value[:, :, prefix],
                causal=True,
                scale=scale,
            )
        if shared:
            over_prefix, prefix_lse = attend(
                query[:, :, suffixes],
                key[:, :, prefix],
                value[:, :, prefix],
                scale=scale,
            )
        start = segment.suffix_start
        for length in segment.suffix_lengths:
            if length == 0:
                continue
            own = slice(start, start + length)
            inner = slice(own.start - suffixes.start, own.stop - suffixes.start)
            partial, partial_lse = attend(
                query[:, :, own], key[:, :, own], value[:, :, own], causal=True, scale=scale
            )
            output[:, :, own] = (
                merge(partial, partial_lse, over_prefix[:, :, inner], prefix_lse[:, :, inner])
                if shared
                else partial
            )
            start += length

    def _masked(
        self,
        segment: Segment,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        rules: AttentionRules,
        output: Tensor,
    ) -> None:
        prefix = torch.arange(segment.start, segment.suffix_start, device=query.device)
        runs = [(prefix, prefix)]
        start = segment.suffix_start
        for length in segment.suffix_lengths:
            own = torch.arange(start, start + length, device=query.device)
            runs.append((own, torch.cat([prefix, own])))
            start += length
        for own, seen in runs:
            if not len(own):
                continue
            output[:, :, own] = attend_with_mask(
                query[:, :, own],
                key[:, :, seen],
                value[:, :, seen],
                torch.arange(len(seen) - len(own), len(seen), device=query.device),
                rules,
            )
