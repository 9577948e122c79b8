"""Deterministic mode: the same bits for a sequence, whatever it is batched with."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from fixtures.tiny_decoders import VOCABULARY, plain_reads, tiny_classifier, tiny_decoder
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsvc.engines.packed.blocks import BLOCK_TOKENS, cut_into_blocks
from rewardsvc.engines.packed.branches import Branch
from rewardsvc.engines.packed.dropout import ResidualDropout
from rewardsvc.engines.packed.layout import group_by_prefix, plan
from rewardsvc.engines.packed.trunk import PackedTrunk
from rewardsvc.errors import ConfigError

random = np.random.default_rng(0)
SHARED = random.integers(1, VOCABULARY, 150)
SEQUENCES = [
    np.concatenate([SHARED[:shared], random.integers(1, VOCABULARY, own)])
    for shared, own in ((150, 90), (150, 1), (150, 33), (64, 64), (10, 200), (0, 5), (128, 0))
]

classifier = tiny_classifier(hidden_size=48, intermediate_size=112)
trunk = PackedTrunk(classifier, deterministic=True)
fast = PackedTrunk(classifier)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def group_of(sequences):
    return group_by_prefix(sequences, [np.array([0, len(s) - 1]) for s in sequences])


def scores(trunk, partition, budget=10**6, share=True, branch=None, from_layer=0):
    """Bits of the scores at the first and last token, by sequence."""
    groups = [group_of([SEQUENCES[i] for i in indices]) for indices in partition]
    found = {}
    for batch in plan(groups, budget, share_prefix=share):
        (states,) = trunk.branches(batch, [branch or Branch()], from_layer)
        values = trunk.apply(classifier.score, states)[:, 0]
        for g, s, p, value in zip(
            batch.read_groups, batch.read_sequences, batch.read_positions, values, strict=True
        ):
            found[partition[g][s], int(p)] = value.item()
    return found


EVERY = range(len(SEQUENCES))
ALONE = scores(trunk, [[i] for i in EVERY], budget=1)


@settings(deadline=None, max_examples=25)
@given(st.permutations(EVERY), st.sets(st.integers(1, 6)), st.integers(1, 1500), st.booleans())
def test_bits_do_not_depend_on_order_groups_budget_or_sharing(order, cuts, budget, share):
    bounds = [0, *sorted(cuts), len(order)]
    partition = [order[a:b] for a, b in pairwise(bounds)]
    assert scores(trunk, partition, budget, share) == ALONE


def test_the_fast_pass_would_fail_this():
    together = scores(fast, [[*EVERY]])
    alone = scores(fast, [[i] for i in EVERY], budget=1)
    assert together != alone
    assert together == pytest.approx(alone, abs=1e-4)


def test_dropout_members_too():
    branch = ResidualDropout(3, 0.2)
    alone = scores(trunk, [[i] for i in EVERY], budget=1, branch=branch, from_layer=1)
    together = scores(trunk, [[*EVERY]], branch=branch, from_layer=1)
    assert together == alone
    assert together != ALONE


@pytest.mark.parametrize(
    ("family", "changes"),
    [("llama", {}), ("gemma2", {"head_dim": 8, "sliding_window": 70}), ("phi3", {})],
)
def test_other_builds(family, changes):
    model = tiny_decoder(family, **changes)
    deterministic = PackedTrunk(model, deterministic=True)
    groups = [group_of(SEQUENCES)]
    (batch,) = plan(groups, 10**6)
    states = deterministic.hidden(batch)
    assert (states - plain_reads(model, groups, batch)).abs().max() <= 1e-4
    for index, sequence in enumerate(SEQUENCES):
        (own,) = plan([group_of([sequence])], 10**6)
        (rows,) = np.nonzero(batch.read_sequences == index)
        assert torch.equal(deterministic.hidden(own), states[rows])


def test_scores_are_those_of_the_plain_forward():
    groups = [group_of(SEQUENCES)]
    (batch,) = plan(groups, 10**6)
    difference = trunk.hidden(batch) - plain_reads(classifier.model, groups, batch)
    assert difference.abs().max() <= 1e-4


def test_whole_blocks_of_a_prefix_are_cut_once():
    (batch,) = plan([group_of(SEQUENCES[:3])], 10**6)
    blocked = cut_into_blocks(batch)
    # 150 shared tokens: two whole blocks once; then 112, 23 and 55 tokens of three sequences.
    assert [block.start for block in blocked.blocks] == [0, 64, 128, 192, 128, 128]
    assert [block.before for block in blocked.blocks] == [
        (),
        (0,),
        (0, 1),
        (0, 1, 2),
        (0, 1),
        (0, 1),
    ]
    assert all(len(block.rows) == BLOCK_TOKENS for block in blocked.blocks)


def test_experts_are_refused():
    with pytest.raises(ConfigError, match="cannot be deterministic"):
        PackedTrunk(tiny_decoder("mixtral"), deterministic=True)
