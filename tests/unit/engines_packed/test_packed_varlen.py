"""The GPU's two variable-length calls, with the kernel replaced by plain attention.

What is proved here is which rows are given to the kernel, not the kernel.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from fixtures.tiny_decoders import plain_reads, random_group, tiny_decoder

from rewardsvc.engines.packed import trunk as trunk_module
from rewardsvc.engines.packed.layout import group_by_prefix, plan
from rewardsvc.engines.packed.trunk import PackedTrunk
from rewardsvc.engines.packed.varlen import varlen_attention, worth_gathering


def plain_varlen(query, key, value, queries, keys, causal, scale):
    """Attention and log-sum-exps, one sequence after another, by their definitions."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    output, lse = torch.empty_like(query), torch.empty(query.shape[:2])
    q_offsets, k_offsets = queries.offsets.tolist(), keys.offsets.tolist()
    assert len(q_offsets) == len(k_offsets)
    assert (q_offsets[-1], k_offsets[-1]) == (len(query), len(key))
    for i in range(len(q_offsets) - 1):
        q, k = slice(*q_offsets[i : i + 2]), slice(*k_offsets[i : i + 2])
        assert q.stop - q.start <= queries.longest
        assert 0 < k.stop - k.start <= keys.longest
        logits = torch.einsum("qhd,khd->hqk", query[q], key[k]) * scale
        if causal:
            later = torch.ones(logits.shape[1:]).triu(1 + logits.shape[2] - logits.shape[1])
            logits = logits.masked_fill(later.bool(), -math.inf)
        output[q] = torch.einsum("hqk,khd->qhd", logits.softmax(-1), value[k])
        lse[q] = logits.logsumexp(-1).T
    return output, lse


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("reads", ["last", "all"])
@pytest.mark.parametrize("changes", [{}, {"sliding_window": 6, "use_sliding_window": True}])
def test_rows_given_to_the_kernel(monkeypatch, share, reads, changes):
    monkeypatch.setattr(trunk_module, "varlen_attention", lambda device, dtype: plain_varlen)
    model = tiny_decoder("mistral" if changes else "qwen2", **changes)
    trunk = PackedTrunk(model)
    assert trunk._prune
    random = np.random.default_rng(0)
    shapes = [(7, (5, 0, 9)), (0, (4, 1)), (20, (0,)), (3, (1, 1)), (1, (30,))]
    groups = [random_group(random, prefix, suffixes, reads) for prefix, suffixes in shapes]
    for batch in plan(groups, 60, share_prefix=share):
        difference = trunk.hidden(batch) - plain_reads(model, groups, batch)
        assert difference.abs().max() <= 1e-4


def test_many_reads_a_run_are_not_gathered():
    sequence = list(range(1, 41))
    few, many = (
        plan([group_by_prefix([sequence], [np.array(reads)])], 100)[0]
        for reads in ([10, 39], range(21, 40))
    )
    assert worth_gathering(few, few.read_rows)
    assert not worth_gathering(many, many.read_rows)


def test_there_is_no_kernel_for_the_cpu_nor_for_full_precision():
    assert varlen_attention(torch.device("cpu"), torch.bfloat16) is None
    assert varlen_attention(torch.device("cuda"), torch.float32) is None
