"""Adapters, heads and dropout off one trunk, against PEFT and plain transformers forwards."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.tiny_models import save_causal_model, save_reward_model
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
)

from rewardsvc.engines.reward_models import RewardModelEngine
from rewardsvc.errors import ConfigError

GROUPS = [
    {"messages": [["user", "What is 17 and 25?"]], "responses": ["42.", "Bob adds 17 and 25.", ""]},
    {"messages": [["user", "And 3?"]], "responses": ["The answer is \\boxed{3}. " * 8]},
]
COUNT = 4


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    base = tmp_path_factory.mktemp("kinds")
    save_reward_model(base / "trunk", seed=1)
    save_causal_model(base / "causal", seed=2)
    tokenizer = AutoTokenizer.from_pretrained(base / "trunk")
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, num_labels=1, pad_token_id=0
    )
    GPT2ForSequenceClassification(config).save_pretrained(base / "gpt2")
    tokenizer.save_pretrained(base / "gpt2")
    for seed in (1, 2, 3):
        save_adapter(base, "trunk", f"adapters/a{seed}", seed)
        save_head(base / "heads" / f"h{seed}.safetensors", seed)
    return base


def save_adapter(base: Path, trunk: str, name: str, seed: int, **settings: Any) -> Path:
    """A PEFT checkpoint on the trunk's last layer, with a head of its own."""
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(base / trunk, num_labels=1)
    settings = {
        "target_modules": ["q_proj", "v_proj", "down_proj"],
        "layers_to_transform": [1],
        "modules_to_save": ["score"],
        **settings,
    }
    config = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, init_lora_weights=False, **settings)
    adapted = get_peft_model(model, config)
    adapted.save_pretrained(base / name)
    return base / name


def save_head(path: Path, seed: int) -> None:
    """Linear for odd seeds, an MLP for even ones."""
    path.parent.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) / 8

    if seed % 2:
        save_file({"score.weight": random(1, 64)}, path)
        return
    tensors = {
        "layers.0.weight": random(16, 64),
        "layers.0.bias": random(16),
        "layers.1.weight": random(1, 16),
    }
    save_file(tensors, path, metadata={"activation": "gelu"})


@cache
def engine(kind: str, trunk: Path, *parts: Path, settings: str = "{}", **source: Any) -> Any:
    made = RewardModelEngine(
        "bradley_terry",
        kind,
        {"directories": [str(trunk)], "parts": [str(part) for part in parts], **source},
        {"device": "cpu", "threads": 1, **json.loads(settings)},
    )
    return made, made.start()


def scores(made: RewardModelEngine, *groups: dict[str, Any]) -> np.ndarray:
    reply = made.run(made.prepare({"groups": groups or GROUPS}))
    assert reply["failures"] == []
    count = sum(len(group["responses"]) for group in groups or GROUPS)
    return np.frombuffer(reply["outputs"]).reshape(count, -1)


def token_ids(made: RewardModelEngine) -> list[list[int]]:
    _, (encoded,) = made.prepare({"groups": GROUPS})
    return [sequence.ids for sequence in encoded.sequences]


@torch.inference_mode()
def plain(model: Any, sequences: list[list[int]]) -> np.ndarray:
    model.config.pad_token_id = None
    return np.array([model(torch.tensor([ids])).logits.item() for ids in sequences])


def adapters(base: Path) -> list[Path]:
    return sorted((base / "adapters").iterdir())


def test_adapters_score_as_peft_does(base: Path) -> None:
    made, told = engine("adapters", base / "trunk", *adapters(base))
    assert told["facts"] == {"shared_layers": "1 of 2", "adapters": "merged"}
    found, sequences = scores(made), token_ids(made)
    for column, path in enumerate(adapters(base)):
        model = AutoModelForSequenceClassification.from_pretrained(base / "trunk")
        expected = plain(PeftModel.from_pretrained(model, path).eval(), sequences)
        assert np.ptp(expected) > 0.01
        np.testing.assert_allclose(found[:, column], expected, atol=1e-4)


def test_adapters_on_a_trunk_without_a_head(base: Path) -> None:
    path = save_adapter(base, "causal", "on_causal", 7, layers_to_transform=None)
    made, told = engine("adapters", base / "causal", path)
    assert told["facts"]["shared_layers"] == "0 of 2"
    model = AutoModelForSequenceClassification.from_pretrained(base / "causal", num_labels=1)
    expected = plain(PeftModel.from_pretrained(model, path).eval(), token_ids(made))
    np.testing.assert_allclose(scores(made)[:, 0], expected, atol=1e-4)


def test_an_adapter_without_a_head_takes_the_trunks(base: Path) -> None:
    path = save_adapter(base, "trunk", "headless", 8)
    weights = load_file(path / "adapter_model.safetensors")
    del weights["base_model.model.score.weight"]
    save_file(weights, path / "adapter_model.safetensors")
    config = json.loads((path / "adapter_config.json").read_text())
    config.update(modules_to_save=None, task_type=None)
    (path / "adapter_config.json").write_text(json.dumps(config))
    made, _ = engine("adapters", base / "trunk", path)
    model = AutoModelForSequenceClassification.from_pretrained(base / "trunk")
    expected = plain(PeftModel.from_pretrained(model, path).eval(), token_ids(made))
    np.testing.assert_allclose(scores(made)[:, 0], expected, atol=1e-4)
    with pytest.raises(ConfigError, match=r"weights are missing.*score\.weight"):
        engine("adapters", base / "causal", path)


def test_adapters_on_what_cannot_be_packed(base: Path) -> None:
    settings = {"target_modules": ["c_attn"], "fan_in_fan_out": True}
    paths = [save_adapter(base, "gpt2", f"gpt2_a{seed}", seed, **settings) for seed in (1, 2)]
    made, told = engine("adapters", base / "gpt2", *paths)
    assert told["engine"].startswith("padded: GPT2Model: cannot be packed")
    found = scores(made)
    for column, path in enumerate(paths):
        model = AutoModelForSequenceClassification.from_pretrained(base / "gpt2")
        expected = plain(PeftModel.from_pretrained(model, path).eval(), token_ids(made))
        np.testing.assert_allclose(found[:, column], expected, atol=1e-4)


def broken_adapter(base: Path, tmp_path: Path, tensors: Any = None, **changes: Any) -> Path:
    source, copy = base / "adapters" / "a1", tmp_path / "broken"
    copy.mkdir()
    weights = load_file(source / "adapter_model.safetensors")
    if tensors:
        weights = tensors(weights)
    save_file(weights, copy / "adapter_model.safetensors")
    config = json.loads((source / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    return copy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type: is 'IA3'; served is 'LORA'"),
        ({"use_dora": True}, "use_dora: is True; served is False"),
        ({"bias": "all"}, "bias: is 'all'; served is 'none'"),
        ({"target_modules": ["q_proj"]}, "does not fit the trunk and adapter_config.json"),
        ({"tensors": lambda t: {**t, "x.lora_embedding_A": torch.ones(1)}}, "neither LoRA's nor"),
        ({"tensors": lambda t: dict(list(t.items())[2:])}, "does not fit the trunk"),
        ({"target_modules": ["embed_tokens"], "layers_to_transform": None}, "broken: "),
    ],
)
def test_adapters_that_would_not_be_themselves_are_refused(
    base: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = broken_adapter(base, tmp_path, **changes)
    with pytest.raises(ConfigError, match=message):
        engine("adapters", base / "trunk", path)


def test_a_pickled_adapter_is_not_read(base: Path, tmp_path: Path) -> None:
    path = broken_adapter(base, tmp_path)
    (path / "adapter_model.safetensors").rename(path / "adapter_model.bin")
    with pytest.raises(ConfigError, match=r"adapter_model\.bin is not read"):
        engine("adapters", base / "trunk", path)


@pytest.mark.parametrize("trunk", ["trunk", "causal", "gpt2"])
def test_heads_read_one_trunk(base: Path, trunk: str) -> None:
    paths = sorted((base / "heads").iterdir())
    if trunk == "gpt2":
        paths = [base / "narrow.safetensors"]
        save_file({"weight": torch.randn(1, 32), "bias": torch.ones(1)}, paths[0])
    made, _ = engine("heads", base / trunk, *paths)
    found, sequences = scores(made), token_ids(made)
    model = AutoModel.from_pretrained(base / trunk).eval()
    with torch.inference_mode():
        hidden = torch.stack(
            [model(torch.tensor([ids])).last_hidden_state[0, -1] for ids in sequences]
        )
    for column, path in enumerate(paths):
        tensors = {name.removeprefix("score."): t for name, t in load_file(path).items()}
        if "weight" in tensors:
            expected = hidden @ tensors["weight"].T + tensors.get("bias", torch.zeros(1))
        else:
            inner = hidden @ tensors["layers.0.weight"].T + tensors["layers.0.bias"]
            expected = torch.nn.functional.gelu(inner) @ tensors["layers.1.weight"].T
        np.testing.assert_allclose(found[:, column], expected[:, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"weight": torch.ones(1, 63)}, {}, r"weight must have shape \(outputs, 64\)"),
        ({"weight": torch.ones(2, 64)}, {}, "has 2 outputs, but 1 are read"),
        ({"weight": torch.ones(1, 64), "bias": torch.ones(2)}, {}, "bias must have shape"),
        ({"bias": torch.ones(1)}, {}, "not None"),
        ({"head": torch.ones(1, 64)}, {}, "unknown tensor 'head'"),
        ({"weight": torch.full((1, 64), torch.nan)}, {}, "not finite"),
        ({"layers.1.weight": torch.ones(1, 64)}, {}, "numbered from 0"),
        (
            {"layers.0.weight": torch.ones(4, 64), "layers.1.weight": torch.ones(1, 4)},
            {"activation": "swish"},
            "activation: is 'swish'; allowed: gelu, relu, silu, tanh",
        ),
    ],
)
def test_files_that_hold_no_head_are_refused(
    base: Path, tmp_path: Path, tensors: Any, metadata: Any, message: str
) -> None:
    save_file(tensors, tmp_path / "h.safetensors", metadata=metadata)
    with pytest.raises(ConfigError, match=message):
        engine("heads", base / "trunk", tmp_path / "h.safetensors")


def test_dropout_members_belong_to_the_text_and_the_seed(base: Path) -> None:
    made, told = engine("dropout", base / "trunk", samples=3, rate=0.2, seed=5)
    assert told["facts"] == {"dropout": "0.2 in 1 of 2 layers"}
    found = scores(made)
    assert (found.std(axis=1) > 1e-3).all()
    alone = [
        scores(made, {"messages": group["messages"], "responses": [response]})
        for group in GROUPS
        for response in group["responses"]
    ]
    np.testing.assert_allclose(np.concatenate(alone), found, atol=1e-4)
    again, _ = engine("dropout", base / "trunk", samples=3, rate=0.2, seed=6)
    assert np.abs(scores(again) - found).max() > 1e-3


def test_dropout_at_a_rate_of_nearly_nothing_is_the_model(base: Path) -> None:
    made, _ = engine("dropout", base / "trunk", samples=2, rate=1e-9, layers=2)
    model = AutoModelForSequenceClassification.from_pretrained(base / "trunk").eval()
    expected = plain(model, token_ids(made))
    np.testing.assert_allclose(scores(made), np.stack([expected, expected], axis=1), atol=1e-4)


def test_dropout_needs_a_model_that_can_be_packed_and_has_the_layers(base: Path) -> None:
    with pytest.raises(ConfigError, match="dropout members need a model that can be packed"):
        engine("dropout", base / "gpt2", samples=2, rate=0.1)
    with pytest.raises(ConfigError, match="dropout_layers: 3 is more than the 2 layers"):
        engine("dropout", base / "trunk", samples=2, rate=0.1, layers=3)


@pytest.mark.parametrize("kind", ["full_models", "adapters", "heads", "dropout"])
def test_deterministic_scores_do_not_depend_on_the_batch(base: Path, kind: str) -> None:
    parts = {"adapters": adapters(base), "heads": sorted((base / "heads").iterdir())}
    source = {"samples": 2, "rate": 0.2} if kind == "dropout" else {}
    made, _ = engine(
        kind, base / "trunk", *parts.get(kind, ()), settings='{"deterministic": true}', **source
    )
    alone = [
        scores(made, {"messages": group["messages"], "responses": [response]})
        for group in GROUPS
        for response in group["responses"]
    ]
    np.testing.assert_array_equal(scores(made), np.concatenate(alone))
