"""A packed pass gives the hidden states of the model's own forward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixtures.tiny_decoders import (
    FAMILIES,
    VOCABULARY,
    plain_reads,
    random_group,
    tiny_classifier,
    tiny_decoder,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsvc.engines.packed import whole_pass
from rewardsvc.engines.packed.cascade import cut_into_chunks
from rewardsvc.engines.packed.layout import group_by_prefix, plan
from rewardsvc.engines.packed.trunk import PackedTrunk
from rewardsvc.errors import ConfigError

TOLERANCE = 1e-4
GROUPS = [(7, (5, 0, 9)), (0, (4, 1)), (20, (0,)), (3, (1, 1)), (1, (30,))]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_equal_to_plain(model, groups, trunk=None, budget=40, share=True):
    trunk = trunk or PackedTrunk(model)
    for batch in plan(groups, budget, share_prefix=share):
        difference = trunk.hidden(batch) - plain_reads(model, groups, batch)
        assert difference.abs().max() <= TOLERANCE


def groups_of(reads="last", seed=0):
    random = np.random.default_rng(seed)
    return [random_group(random, prefix, suffixes, reads) for prefix, suffixes in GROUPS]


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("reads", ["last", "all"])
@pytest.mark.parametrize("family", FAMILIES)
def test_families(family, reads, share):
    assert_equal_to_plain(tiny_decoder(family), groups_of(reads), share=share)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("mistral", {"sliding_window": 5}),
        ("gemma2", {"head_dim": 8, "sliding_window": 6}),
        ("gemma3_text", {"head_dim": 8, "sliding_window": 6}),
        ("phi3", {}),
        ("granite", {"embedding_multiplier": 3.0, "residual_multiplier": 0.5}),
        ("olmo2", {}),
        ("mixtral", {}),
        ("smollm3", {}),
    ],
)
def test_windows_caps_multipliers_experts_and_other_builds(family, changes):
    assert_equal_to_plain(tiny_decoder(family, **changes), groups_of())


@pytest.mark.parametrize("rows", [1, 7, 20])
@pytest.mark.parametrize("reads", ["last", "all"])
@pytest.mark.parametrize(
    ("family", "changes"), [("qwen2", {}), ("gemma2", {"head_dim": 8, "sliding_window": 6})]
)
def test_layers_in_chunks_of_rows(monkeypatch, family, changes, reads, rows):
    monkeypatch.setattr(whole_pass, "CPU_ROWS", rows)
    assert_equal_to_plain(tiny_decoder(family, **changes), groups_of(reads), budget=1000)


def test_chunks_are_whole_runs_but_for_long_ones():
    groups = [group_by_prefix([range(1, 6), [1, 2, 9]], [np.array([4]), np.array([2])])]
    groups.append(group_by_prefix([[7] * 30], [np.array([29])]))
    (batch,) = plan(groups, 1000)
    chunks = cut_into_chunks(batch, 8)
    pieces = [[(p.run, p.start, p.stop) for _, ps in c.parts for p in ps] for c in chunks]
    assert pieces == [
        [(0, 0, 2), (2, 2, 5), (5, 5, 6)],
        [(6, 6, 14)],
        [(6, 14, 22)],
        [(6, 22, 30)],
        [(6, 30, 36)],
    ]
    assert [(c.start, c.stop) for c in chunks] == [(0, 6), (6, 14), (14, 22), (22, 30), (30, 36)]


model = tiny_decoder()
trunk = PackedTrunk(model)
lengths = st.integers(0, 9)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(lengths, st.lists(lengths, min_size=1, max_size=4)), max_size=4),
    st.integers(1, 60),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_any_groups_any_budget(shapes, budget, share, seed):
    random = np.random.default_rng(seed)
    groups = []
    for prefix, suffixes in shapes:
        shared = random.integers(1, VOCABULARY, prefix)
        sequences = [
            np.concatenate([shared, random.integers(1, VOCABULARY, length or int(prefix == 0))])
            for length in suffixes
        ]
        reads = [
            np.flatnonzero(random.random(len(s)) < random.choice([0.1, 0.9])) for s in sequences
        ]
        groups.append(group_by_prefix(sequences, reads))
    for batch in plan(groups, budget, share_prefix=share):
        ours = trunk.hidden(batch)
        assert ours.shape == (len(batch.read_rows), model.config.hidden_size)
        if len(ours):
            assert (ours - plain_reads(model, groups, batch)).abs().max() <= TOLERANCE


def test_the_model_is_left_as_it_was():
    classifier = tiny_classifier()
    before = classifier.config._attn_implementation
    ids = torch.arange(1, 12)[None]
    with torch.inference_mode():
        scores = classifier(input_ids=ids).logits
        packed = PackedTrunk(classifier)
        batch = plan([group_by_prefix([range(1, 12)], [np.array([10])])], 100)[0]
        head = classifier.score(packed.hidden(batch))
        assert classifier.config._attn_implementation == before
        assert torch.equal(classifier(input_ids=ids).logits, scores)
    assert torch.allclose(head, scores, atol=TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_full_precision(dtype):
    half = tiny_decoder().to(dtype)
    groups = groups_of()
    (batch,) = plan(groups, 1000)
    ours = PackedTrunk(half).hidden(batch).float()
    exact = plain_reads(model, groups, batch)
    theirs = plain_reads(half, groups, batch).float()
    # As near to the exact result as the model's own forward in that precision is.
    assert (ours - exact).norm() <= 2 * (theirs - exact).norm()


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        ("bert", {}, "has no embed_tokens"),
        ("gpt_oss", {"head_dim": 8}, "attention sinks"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
            "rope_type dynamic",
        ),
    ],
)
def test_what_cannot_be_packed_is_refused_with_a_reason(family, changes, reason):
    with pytest.raises(ConfigError, match=reason):
        PackedTrunk(tiny_decoder(family, **changes))


def test_a_decoder_that_computes_something_else_is_refused():
    odd = tiny_decoder()
    plain_forward = odd.layers[1].mlp.forward
    # A layer that looks at its neighbours in the batch, as no packed row may.
    odd.layers[1].mlp.forward = lambda x: plain_forward(x) + x.roll(1, dims=1)
    with pytest.raises(ConfigError, match="hidden states differ"):
        PackedTrunk(odd)


def test_no_reads_no_pass():
    group = group_by_prefix([[1, 2, 3]], [np.array([], dtype=np.int64)])
    (batch,) = plan([group], 10)
    assert trunk.hidden(batch).shape == (0, 32)


def test_a_layer_out_of_range_is_refused():
    (batch,) = plan([group_by_prefix([[1, 2]], [np.array([1])])], 10)
    with pytest.raises(ValueError, match=r"from_layer: 4 is not within 0\.\.3"):
        trunk.branches(batch, [], 4)
