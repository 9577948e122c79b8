"""From preference pairs to rewards over the wire, and what happens on the way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.messages import request
from peft import PeftModel
from preference_data import RECIPE, Trained, draw_pairs, write_pairs
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rewardsvc.aggregate import Standardisation, fit_learned_objective
from rewardsvc.errors import ConfigError
from rewardsvc.training.ensemble import train_ensemble
from rewardsvc.training.labelled_members import load_labelled_members
from rewardsvc.training.recipe import LoraRecipe, Recipe, VoteRecipe
from rewardsvc.types import Chat, ChatMessage, Group, Response


def card_of(directory: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((directory / "card.json").read_text(encoding="utf-8"))
    return card


def held_out_of(directory: Path) -> list[dict[str, Any]]:
    lines = (directory / "held_out_scores.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def response(trained: Trained, record: dict[str, Any]) -> str:
    """The response that a held-out record is about."""
    side = "chosen" if record["label"] else "rejected"
    pairs = map(json.loads, trained.pairs.read_text(encoding="utf-8").splitlines())
    return next(str(p[side]) for p in pairs if p["prompt"] == record["prompt"][0]["content"])


def score_of(model: Any, trained: Trained, directory: Path) -> float:
    """A plain Hugging Face forward of the first held-out response."""
    record = held_out_of(directory)[0]
    tokenizer = AutoTokenizer.from_pretrained(directory / "member-1")
    messages = [*record["prompt"], {"role": "assistant", "content": response(trained, record)}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return float(model.eval()(input_ids=ids).logits[0, 0])


def held_out_group(trained: Trained, number: int, record: dict[str, Any]) -> Group:
    prompt = Chat(tuple(ChatMessage(m["role"], m["content"]) for m in record["prompt"]))
    return Group(f"h{number}", prompt, (Response(f"r{number}", response(trained, record)),))


def test_the_directory_holds_what_serving_needs_and_nothing_else(trained: Trained) -> None:
    assert {path.name for path in trained.directory.iterdir()} == {
        "card.json",
        "held_out_scores.jsonl",
        "member-1",
        "member-2",
        "standardisation.json",
    }
    assert not list(trained.directory.rglob("*.bin"))
    modes = {path.stat().st_mode for path in (trained.directory / "member-1").iterdir()}
    assert len(modes) == 1, "the weights cannot be read by all who can read the configuration"
    standardisation = Standardisation.load(trained.directory / "standardisation.json")
    assert list(standardisation.members) == ["member-1", "member-2"]
    card = card_of(trained.directory)
    assert card["standardisation"] == standardisation.version
    assert (card["data"]["training"], card["data"]["held_out"]) == (105, 30)
    assert [card["members"][f"member-{k}"]["seed"] for k in (1, 2)] == [1, 2]
    for entry in (*card["members"].values(), *card["objectives"].values()):
        assert entry["held_out_accuracy"] >= 0.9


def test_held_out_scores_have_the_statistics_they_were_frozen_with(trained: Trained) -> None:
    records = held_out_of(trained.directory)
    assert [record["label"] for record in records] == [1, 0] * 30
    scores = np.array([list(record["members"].values()) for record in records])
    again = Standardisation.fit(scores, ["member-1", "member-2"], "")
    frozen = Standardisation.load(trained.directory / "standardisation.json")
    assert again.members == frozen.members
    assert not np.allclose(scores[:, 0], scores[:, 1])


async def test_the_service_prefers_what_the_pairs_prefer(
    trained: Trained, start_server: Any, connect: Any
) -> None:
    server = await start_server(f"""
        scorers:
          quality:
            kind: ensemble
            directory: {trained.directory}
            objective: worst_case
            device: cpu
            threads: 1
        rewards: {{quality: {{components: [{{scorer: quality}}]}}}}
    """)
    stub = connect(server)
    fresh = draw_pairs(40, seed=2)
    groups = [
        Group(
            f"g{i}",
            str(pair["prompt"]),
            (Response(f"a{i}", str(pair["chosen"])), Response(f"b{i}", str(pair["rejected"]))),
        )
        for i, pair in enumerate(fresh)
    ]
    answer = await stub.Score(request("quality", *groups))
    rewards = [[result.reward for result in group.results] for group in answer.groups]
    assert np.mean([chosen > rejected for chosen, rejected in rewards]) >= 0.9

    # What is served is what was measured: the same raw scores for the held-out responses.
    records = held_out_of(trained.directory)
    held_out = [held_out_group(trained, i, record) for i, record in enumerate(records)]
    answer = await stub.Score(request("quality", *held_out))
    served = [[m.score for m in group.results[0].members] for group in answer.groups]
    measured = [list(record["members"].values()) for record in records]
    np.testing.assert_allclose(served, measured, atol=1e-4)


def test_scores_are_those_of_the_weights_as_saved(trained: Trained, tmp_path: Path) -> None:
    recipe = replace(RECIPE, members=1, epochs=1, save_dtype="bfloat16")
    out = tmp_path / "ensemble"
    train_ensemble(trained.pairs, out, recipe, device="cpu", report=lambda line: None)
    kept = AutoModelForSequenceClassification.from_pretrained(out / "member-1")
    assert kept.dtype == torch.bfloat16
    assert score_of(kept.float(), trained, out) == pytest.approx(
        held_out_of(out)[0]["members"]["member-1"], abs=1e-4
    )


def test_an_interrupted_run_goes_on_after_the_last_finished_member(
    trained: Trained, tmp_path: Path
) -> None:
    out = tmp_path / "ensemble"

    def interrupt(line: str) -> None:
        if line.startswith("member-2: step"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(trained.pairs, out, RECIPE, device="cpu", report=interrupt)
    assert (out / "member-1" / "model.safetensors").is_file()
    assert not (out / "member-2").exists()
    assert not (out / "card.json").exists()
    with pytest.raises(ConfigError, match="unfinished run that differs in epochs"):
        train_ensemble(trained.pairs, out, replace(RECIPE, epochs=5), device="cpu")
    first = (out / "member-1" / "model.safetensors").stat().st_mtime_ns

    reports: list[str] = []
    train_ensemble(trained.pairs, out, RECIPE, device="cpu", report=reports.append)
    assert reports[0] == "member-1: finished before"
    assert (out / "member-1" / "model.safetensors").stat().st_mtime_ns == first
    for ours, theirs in zip(held_out_of(out), held_out_of(trained.directory), strict=True):
        assert ours["members"] == pytest.approx(theirs["members"], abs=1e-5)


def test_small_passes_and_recomputed_activations_change_nothing(
    trained: Trained, tmp_path: Path
) -> None:
    once = replace(RECIPE, members=1, epochs=1)
    often = replace(once, micro_batch_tokens=200, gradient_checkpointing=True)
    scores = []
    for name, recipe in (("once", once), ("often", often)):
        out = tmp_path / name
        train_ensemble(trained.pairs, out, recipe, device="cpu", report=lambda line: None)
        scores.append([record["members"]["member-1"] for record in held_out_of(out)])
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-3)


def test_a_folder_with_something_in_it_is_left_alone(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not empty, it holds a finished ensemble"):
        train_ensemble(trained.pairs, trained.directory, RECIPE, device="cpu")
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="it holds something else"):
        train_ensemble(trained.pairs, tmp_path, RECIPE, device="cpu")
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.fixture(scope="module")
def adapters(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two LoRA members on the first member of the other ensemble."""
    recipe = Recipe(
        str(trained.directory / "member-1"),
        members=2,
        epochs=2,
        batch_pairs=16,
        learning_rate=3e-3,
        max_length=128,
        held_out_share=0.2,
        lora=LoraRecipe(rank=4, alpha=8.0, top_layers=1),
        loss="label_smoothing",
        noise_rate=0.1,
    )
    out = tmp_path_factory.mktemp("adapters") / "ensemble"
    train_ensemble(trained.pairs, out, recipe, device="cpu", report=lambda line: None)
    return out


def test_adapters_are_standard_checkpoints(trained: Trained, adapters: Path) -> None:
    settings = json.loads((adapters / "member-1" / "adapter_config.json").read_text())
    assert settings["layers_to_transform"] == [1]
    assert "score" in settings["modules_to_save"]
    record = held_out_of(adapters)[0]
    plain = AutoModelForSequenceClassification.from_pretrained(
        trained.directory / "member-1", dtype=torch.float32
    )
    model = PeftModel.from_pretrained(plain, adapters / "member-2").eval()
    score = score_of(model, trained, adapters)
    assert score == pytest.approx(record["members"]["member-2"], abs=1e-4)
    assert all(m["held_out_accuracy"] >= 0.8 for m in card_of(adapters)["members"].values())


async def test_adapters_and_a_learned_objective_are_served(
    trained: Trained, adapters: Path, start_server: Any, connect: Any
) -> None:
    data = load_labelled_members(adapters / "held_out_scores.jsonl")
    objective = fit_learned_objective(data.scores, data.labels, data.prompts, data.names)
    objective.save(adapters / "learned_objective.json")
    server = await start_server(f"""
        scorers:
          quality:
            kind: ensemble
            trunk: {trained.directory / "member-1"}
            directory: {adapters}
            objective: learned
            device: cpu
            threads: 1
        rewards: {{quality: {{components: [{{scorer: quality}}]}}}}
    """)
    groups = [held_out_group(trained, i, r) for i, r in enumerate(held_out_of(adapters))]
    answer = await connect(server).Score(request("quality", *groups))
    results = [group.results[0] for group in answer.groups]
    served = [[m.score for m in result.members] for result in results]
    np.testing.assert_allclose(served, data.scores, atol=1e-4)
    np.testing.assert_allclose([r.reward for r in results], objective(data.scores), atol=1e-3)


@pytest.mark.parametrize("action", ["drop", "flip"])
def test_voters_find_flipped_pairs(tmp_path: Path, action: Any) -> None:
    pairs = draw_pairs(150, seed=3, flipped=0.15)
    recipe = replace(
        RECIPE, members=1, epochs=2, votes=VoteRecipe(action=action, folds=2, voters=2)
    )
    out = tmp_path / "ensemble"
    path = write_pairs(tmp_path / "pairs.jsonl", pairs)
    card = train_ensemble(path, out, recipe, device="cpu", report=lambda line: None)
    found = card["data"]["votes"]["suspect_lines"]
    assert len(found) >= 8
    assert np.mean([pairs[line - 1]["swapped"] for line in found]) >= 0.9
    kept = card["members"]["member-1"]["training_pairs"]
    assert kept == card["data"]["training"] - (len(found) if action == "drop" else 0)


def test_confidences_are_learned_beside_preferences(trained: Trained, tmp_path: Path) -> None:
    recipe = replace(RECIPE, members=1, epochs=2, confidence_weight=1.0)
    reports: list[str] = []
    train_ensemble(trained.pairs, tmp_path / "e", recipe, device="cpu", report=reports.append)
    losses = [float(line.split("validation loss ")[1].split(",")[0]) for line in reports[1:]]
    # −log σ(0) = 0.693 for the preference and for each of the two confidence comparisons.
    assert losses[-1] < 3 * 0.693
    assert losses[-1] < losses[0]


def test_too_long_pairs_are_counted_and_none_left_is_refused(
    trained: Trained, tmp_path: Path
) -> None:
    pairs = draw_pairs(40, seed=4)
    pairs[5]["chosen"] = "because " * 300
    path = write_pairs(tmp_path / "pairs.jsonl", pairs)
    recipe = replace(RECIPE, members=1, epochs=1)
    card = train_ensemble(path, tmp_path / "e", recipe, device="cpu", report=lambda line: None)
    assert card["data"]["left_out_as_too_long"] == 1
    with pytest.raises(ConfigError, match="max_length: no pair of the training part fits 8"):
        train_ensemble(path, tmp_path / "f", replace(recipe, max_length=8), device="cpu")


def test_a_device_that_is_not_there_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device: is 'abacus'; allowed: auto, cpu"):
        train_ensemble(trained.pairs, tmp_path / "e", RECIPE, device="abacus")
    assert not (tmp_path / "e").exists()


def test_a_base_that_cannot_be_used_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="base: no such folder"):
        train_ensemble(trained.pairs, tmp_path / "e", Recipe("/absent"), device="cpu")
    base = tmp_path / "base"
    shutil.copytree(trained.directory / "member-1", base)
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no weights in \*.safetensors"):
        train_ensemble(trained.pairs, tmp_path / "e", Recipe(str(base)), device="cpu")
    recipe = Recipe(str(trained.directory / "member-1"), lora=LoraRecipe(top_layers=9))
    with pytest.raises(ConfigError, match="top_layers: is 9; the base has 2 layers"):
        train_ensemble(trained.pairs, tmp_path / "f", recipe, device="cpu", report=print)
