"""Members that share the lower layers: LoRA adapters and fixed dropout masks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from fixtures.tiny_decoders import plain_reads, random_group, tiny_classifier, tiny_decoder
from peft import LoraConfig, get_peft_model

from rewardsvc.engines.packed.adapters import adapter_branches, merged_bytes
from rewardsvc.engines.packed.branches import Branch, ReplacedLayers
from rewardsvc.engines.packed.dropout import ResidualDropout, content_keys
from rewardsvc.engines.packed.layout import group_by_prefix, plan
from rewardsvc.engines.packed.trunk import PackedTrunk
from rewardsvc.errors import ConfigError

TOLERANCE = 1e-4


def groups_of():
    random = np.random.default_rng(0)
    return [random_group(random, 7, (5, 0, 9)), random_group(random, 0, (4, 1))]


def with_adapters(layers_by_name, **settings):
    model = None
    for name, layers in layers_by_name.items():
        config = LoraConfig(
            r=4,
            lora_alpha=16,
            target_modules=["q_proj", "v_proj", "down_proj"],
            layers_to_transform=layers,
            **settings,
        )
        if model is None:
            model = get_peft_model(tiny_classifier(), config, adapter_name=name)
        else:
            model.add_adapter(name, config)
    torch.manual_seed(1)
    for path, parameter in model.named_parameters():
        if "lora_B" in path:
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


@pytest.mark.parametrize("settings", [{}, {"use_dora": True}, {"use_rslora": True}])
@pytest.mark.parametrize("merge", [True, False])
def test_each_adapter_gives_what_the_adapted_model_gives(merge, settings):
    model = with_adapters({"one": [2], "two": [1, 2], "three": [2]}, **settings)
    groups = groups_of()
    (batch,) = plan(groups, 1000)
    adapters = adapter_branches(model, ["one", "two", "three"], merge=merge)
    assert adapters.from_layer == 1
    trunk = PackedTrunk(model)
    for _ in range(2):  # a second pass finds nothing changed by the first
        states = trunk.branches(batch, adapters.branches, adapters.from_layer)
        for name, ours in zip(["one", "two", "three"], states, strict=True):
            model.set_adapter(name)
            theirs = plain_reads(model.get_base_model().model, groups, batch)
            assert (ours - theirs).abs().max() <= TOLERANCE
    assert not torch.allclose(states[0], states[2], atol=0.1)


def test_merging_leaves_the_model_and_copies_only_what_is_adapted():
    model = with_adapters({"one": [2]})
    before = copy.deepcopy(model.state_dict())
    adapters = adapter_branches(model, ["one"])
    assert adapters.merged
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    base = model.get_base_model().model
    with adapters.branches[0].layers(base.layers[2:], None) as (layer,):
        assert (
            layer.mlp.gate_proj.weight.data_ptr() == base.layers[2].mlp.gate_proj.weight.data_ptr()
        )
        assert type(layer.mlp.down_proj) is torch.nn.Linear
    # q: 32 x 32 + bias, v: 16 x 32 + bias, down: 32 x 64, in float32
    assert merged_bytes(model, "one") == 4 * (32 * 32 + 32 + 16 * 32 + 16 + 32 * 64)


def test_an_unknown_adapter_is_refused():
    with pytest.raises(ConfigError, match="adapter two: is not loaded"):
        adapter_branches(with_adapters({"one": [2]}), ["two"])


def test_an_adapter_outside_the_layers_is_refused():
    config = LoraConfig(r=2, target_modules=["embed_tokens", "q_proj"])
    model = get_peft_model(tiny_classifier(), config, adapter_name="one")
    with pytest.raises(ConfigError, match="changes embed_tokens"):
        adapter_branches(model, ["one"])


def test_the_lower_layers_run_once():
    model = tiny_decoder()
    trunk = PackedTrunk(model)
    runs = [0, 0, 0]
    for index, layer in enumerate(model.layers):

        def count(*_, index=index):
            runs[index] += 1

        layer.register_forward_hook(count)
    (batch,) = plan(groups_of(), 1000)
    states = trunk.branches(batch, [Branch(), Branch(), Branch()], 2)
    assert runs == [1, 1, 3]
    assert torch.equal(states[0], states[2])


def test_replaced_layers_must_be_as_many():
    trunk = PackedTrunk(tiny_decoder())
    (batch,) = plan(groups_of(), 1000)
    with pytest.raises(ValueError, match="has 1 layers for the trunk's top 2"):
        trunk.branches(batch, [ReplacedLayers([torch.nn.Identity()])], 1)


class TestDropout:
    def states(self, trunk, groups, seed, *, budget=1000, share=True, rate=0.2):
        found = {}
        for batch in plan(groups, budget, share_prefix=share):
            (states,) = trunk.branches(batch, [ResidualDropout(seed, rate)], 1)
            for group, sequence, state in zip(
                batch.read_groups, batch.read_sequences, states, strict=True
            ):
                found[int(group), int(sequence)] = state
        return found

    def test_masks_belong_to_the_text_not_to_the_batch(self):
        trunk = PackedTrunk(tiny_decoder())
        groups = groups_of()
        together = self.states(trunk, groups, 0)
        for budget, share in ((12, True), (1, False), (1000, False)):
            apart = self.states(trunk, groups, 0, budget=budget, share=share)
            for key, state in together.items():
                assert (state - apart[key]).abs().max() <= TOLERANCE

    def test_seeds_and_texts_differ_and_rate_nothing_drops_nothing(self):
        trunk = PackedTrunk(tiny_decoder())
        groups = groups_of()
        first, second = self.states(trunk, groups, 0), self.states(trunk, groups, 1)
        assert all((first[key] - second[key]).abs().max() > 0.01 for key in first)
        plain = plain_reads(trunk._decoder.base, groups, plan(groups, 1000)[0])
        none = torch.stack(list(self.states(trunk, groups, 0, rate=0.0).values()))
        assert (none - plain).abs().max() <= TOLERANCE

    def test_the_share_dropped_is_the_rate_and_the_mean_is_kept(self):
        from rewardsvc.engines.packed.dropout import _keep

        keys = torch.from_numpy(
            content_keys(plan([group_by_prefix([range(97)], [np.array([0])])], 1000)[0])
        )
        kept = _keep(keys, 12345, 4096, 0.3).float()
        assert kept.mean().item() == pytest.approx(0.7, abs=0.005)
        assert kept.mean(dim=1).std().item() < 0.02
        assert kept.mean(dim=0).std().item() < 0.1

    def test_keys_know_all_tokens_before_and_no_split(self):
        def keys(sequences):
            group = group_by_prefix(sequences, [np.arange(len(s)) for s in sequences])
            batch = plan([group], 1000)[0]
            every = content_keys(batch)
            found = {}
            for row, s, p in zip(
                batch.read_rows, batch.read_sequences, batch.read_positions, strict=True
            ):
                found[int(s), int(p)] = int(every[row])
            return found

        together = keys([[5, 6, 7, 8], [5, 6, 9, 8]])
        alone = keys([[5, 6, 7, 8]])
        assert all(together[0, p] == alone[0, p] for p in range(4))
        assert together[0, 3] != together[1, 3]
        assert len({*together.values()}) == 6

    def test_a_rate_out_of_range_is_refused(self):
        with pytest.raises(ConfigError, match=r"rate: must be in \[0, 1\), not 1"):
            ResidualDropout(0, 1.0)
