"""Attention with a mask: sliding windows, capped logits, single rows. Right, not fast."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rewardsvc.engines.packed.attention import AttentionRules

__all__ = ["attend_with_mask"]

_ROWS = 512
"""Queries at a time where the products are held in memory."""


def attend_with_mask(
    query: Tensor, key: Tensor, value: Tensor, positions: Tensor, rules: AttentionRules
) -> Tensor:
    """Causal attention of some rows of one sequence to the whole sequence.

    Query (1, heads, n, size) at `positions` (n,) of the sequence, key and value
    (1, key heads, m, size) at positions 0..m - 1. Gives (1, heads, n, size).
    """
    keys = torch.arange(key.shape[2], device=key.device)
    parts = []
    for start in range(0, query.shape[2], _ROWS):
        rows = slice(start, start + _ROWS)
        distance = positions[rows, None] - keys
        seen = distance >= 0
        if rules.window is not None:
            seen &= distance < rules.window
        parts.append(_attend(query[:, :, rows], key, value, seen, rules))
    return torch.cat(parts, dim=2)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor, rules: AttentionRules
) -> Tensor:
    if rules.softcap is None:
        return scaled_dot_product_attention(
            query, key, value, attn_mask=seen, scale=rules.scale, enable_gqa=True
        )
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    logits = torch.matmul(query, key.transpose(2, 3)) * rules.scale
    logits = torch.tanh(logits / rules.softcap) * rules.softcap
    logits = logits.float().masked_fill(~seen, float("-inf"))
    return torch.matmul(torch.softmax(logits, dim=-1).to(value.dtype), value)
