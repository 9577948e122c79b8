"""Every example configuration loads, finds its models, starts and scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from fixtures.describing import assert_describable
from fixtures.in_process import started_here
from fixtures.tiny_models import save_causal_model, save_reward_model, tiny_tokenizer
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    AutoModelForSequenceClassification,
    Qwen2Config,
    Qwen2ForSequenceClassification,
)

from rewardsvc.aggregate import (
    LearnedMember,
    LearnedObjective,
    MemberStatistics,
    Standardisation,
)
from rewardsvc.config import load_config
from rewardsvc.types import Group, Reference, Response, Status

KINDS = ("ensemble", "implicit", "likelihood")
EXAMPLES = [
    path
    for path in sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*.yaml"))
    if any(f"kind: {kind}" in path.read_text() for kind in KINDS)
]
MEMBERS = ("first", "second", "third")
ATTRIBUTES = ("helpfulness", "correctness", "verbosity")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, and all that they name."""
    torch.set_num_threads(1)
    base = tmp_path_factory.mktemp("examples")
    for example in EXAMPLES:
        (base / example.name).write_text(example.read_text())
    models = base / "models"
    for seed, name in enumerate(MEMBERS):
        save_reward_model(models / name, seed=seed)
    for seed, name in enumerate(("policy", "reference")):
        save_causal_model(models / name, seed=seed)
    tokenizer = tiny_tokenizer(("<|reward|>", "[UNUSED_TOKEN_130]"))
    for name, labels in (("attributes", ATTRIBUTES), ("polar", ("score",))):
        config = Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
            id2label=dict(enumerate(labels)),
            pad_token_id=0,
        )
        Qwen2ForSequenceClassification(config).save_pretrained(models / name)
        tokenizer.save_pretrained(models / name)
    for name in ("a1", "a2"):
        model = AutoModelForSequenceClassification.from_pretrained(models / "first")
        lora = LoraConfig(
            task_type="SEQ_CLS", r=2, target_modules=["q_proj"], layers_to_transform=[1]
        )
        get_peft_model(model, lora).save_pretrained(base / "adapters" / name)
    (base / "heads").mkdir()
    for name in ("h1", "h2"):
        save_file({"weight": torch.randn(1, 64)}, base / "heads" / f"{name}.safetensors")
    statistics = Standardisation({name: MemberStatistics(0.0, 1.0) for name in MEMBERS}, "a test")
    (base / "standardisation.json").write_text(json.dumps(statistics.to_json()))
    learned = LearnedObjective(
        tuple(LearnedMember(name, 0.0, 1.0, 1 / 3) for name in MEMBERS), 1.0, 0.0
    )
    learned.save(base / "learned_objective.json")
    return base


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
async def test_example(base: Path, example: Path) -> None:
    config = load_config(base / example.name)
    text = "17 and 25 make <answer>\\boxed{42}</answer>"
    reference = Reference(answers=("42",))
    for name, spec in config.scorers.items():
        if spec.config.kind not in KINDS:  # type: ignore[attr-defined]
            continue
        scorer = await started_here(spec.kind(name, spec.config, config.base_path))
        group = Group("g", "What is 17 and 25?", (Response("r", text),), reference)
        ((score,),) = await scorer.score([group])
        assert score.status is Status.OK, score.reason
        assert scorer.describe().version.count("-") >= 2
        assert_describable(scorer)
