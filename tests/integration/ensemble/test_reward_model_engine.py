"""The engine's scores against plain transformers forwards, and what it refuses to load."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import byte_tokenizer, save_bert, save_llama
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rewardsvc.engines.model_files import tokenizer_hash
from rewardsvc.engines.reward_models import RewardModelEngine
from rewardsvc.errors import ConfigError

TEXTS = ["2", "", "a longer answer " * 9, "ends in </s>", "ü€😀", "two\nlines", "4" * 60]
QUESTION = [["user", "What is 1 + 1?"]]
GROUP = {"messages": QUESTION, "responses": TEXTS}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("models")
    save_llama(base / "llama")
    save_llama(base / "pad_is_eos", seed=1, tokenizer=byte_tokenizer(pad="</s>"))
    save_llama(base / "no_template", seed=2, tokenizer=byte_tokenizer(template=False))
    save_bert(base / "bert", seed=3)
    save_llama(base / "not_a_number", seed=4, fill=float("nan"))
    # Its tokenizer makes token ids from 225 up of bytes from 0x80 to 0xA0: it raises on those.
    save_llama(base / "small_vocabulary", seed=5, vocabulary=225)
    save_llama(base / "two_labels", seed=6, num_labels=2)
    return base


@cache
def engine(*members: Path, truncation: Any = "prompt_left", **settings: Any) -> RewardModelEngine:
    made = RewardModelEngine(
        "bradley_terry",
        "full_models",
        {"directories": tuple(str(m) for m in members)},
        {"device": "cpu", "threads": 1, **settings},
        truncation,
    )
    made.start()
    return made


def run(made: RewardModelEngine, *groups: dict[str, Any]) -> dict[str, Any]:
    reply = made.run(made.prepare({"groups": groups}))
    count = sum(len(group["responses"]) for group in groups)
    reply["scores"] = np.frombuffer(reply["outputs"]).reshape(count, -1)
    return reply


def read(made: RewardModelEngine, *groups: dict[str, Any]) -> list[list[int]]:
    """The token ids of each sample."""
    _, (encoded,) = made.prepare({"groups": groups})
    assert encoded.owners == list(range(len(encoded.sequences)))
    return [sequence.ids for sequence in encoded.sequences]


def plain_scores(directory: Path, sequences: list[list[int]]) -> np.ndarray:
    """One sequence at a time, unpadded, with no padding token to mislead the model."""
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    model.config.pad_token_id = None
    with torch.inference_mode():
        return np.array([model(torch.tensor([ids])).logits.item() for ids in sequences])


@pytest.mark.parametrize("name", ["llama", "pad_is_eos", "no_template", "bert"])
def test_scores_equal_a_plain_unbatched_forward(models: Path, name: str) -> None:
    for settings in ({"token_budget": 1}, {"token_budget": 200}, {}, {"deterministic": True}):
        made = engine(models / name, **settings)
        expected = plain_scores(models / name, read(made, GROUP))
        assert np.ptp(expected) > 0.01
        reply = run(made, GROUP)
        assert reply["failures"] == []
        np.testing.assert_allclose(reply["scores"][:, 0], expected, atol=1e-4, rtol=0)


def test_what_cannot_be_packed_is_padded_and_says_why(models: Path) -> None:
    assert engine(models / "llama").start()["engine"] == "packed"
    told = engine(models / "bert").start()["engine"]
    assert told.startswith("padded: BertForSequenceClassification: its head is not")


def test_token_ids_are_those_of_the_chat_template(models: Path) -> None:
    made = engine(models / "llama")
    tokenizer = AutoTokenizer.from_pretrained(models / "llama")
    sequences = read(made, GROUP)
    for index, text in enumerate(TEXTS):
        if "</s>" not in text:
            messages = [
                {"role": "user", "content": "What is 1 + 1?"},
                {"role": "assistant", "content": text},
            ]
            expected = tokenizer.apply_chat_template(messages, tokenize=True)["input_ids"]
            assert sequences[index] == expected


def test_members_with_one_tokenizer_share_the_tokenisation(models: Path) -> None:
    made = engine(models / "llama", models / "not_a_number", models / "no_template")
    _, encoded = made.prepare({"groups": [GROUP]})
    assert len(encoded) == 2


def test_equal_prompts_of_different_callers_are_computed_together(models: Path) -> None:
    made = engine(models / "llama")
    apart = [{"messages": QUESTION, "responses": [text]} for text in TEXTS]
    other = {"messages": [["user", "And 2 + 2?"]], "responses": ["4"]}
    _, (encoded,) = made.prepare({"groups": [*apart[:3], other, *apart[3:]]})
    groups = [sequence.group for sequence in encoded.sequences]
    assert groups == [0, 0, 0, 1, *[0] * (len(TEXTS) - 3)]


def test_members_of_every_kind_side_by_side(models: Path) -> None:
    names = ["llama", "bert", "no_template", "pad_is_eos"]
    together = run(engine(*(models / name for name in names)), GROUP)["scores"]
    for column, name in enumerate(names):
        alone = run(engine(models / name), GROUP)["scores"]
        np.testing.assert_allclose(together[:, [column]], alone, atol=1e-5)


def test_a_member_that_raises_fails_alone_and_only_on_its_sample(models: Path) -> None:
    made = engine(models / "llama", models / "small_vocabulary")
    reply = run(made, GROUP)
    hostile = TEXTS.index("ü€😀")
    assert [(s, m) for s, m, _ in reply["failures"]] == [(hostile, 1)]
    assert "has no embedding: the model has 225" in reply["failures"][0][2]
    failed = np.zeros((len(TEXTS), 2), dtype=bool)
    failed[hostile, 1] = True
    np.testing.assert_array_equal(np.isnan(reply["scores"]), failed)


def test_long_prompts_are_cut_or_rejected(models: Path) -> None:
    long_prompt = {"messages": [["user", "x" * 400]], "responses": ["y"]}
    long_response = {"messages": [["user", "x"]], "responses": ["y" * 400]}
    samples = [{"messages": QUESTION, "responses": ["2"]}, long_prompt, long_response]
    reply = run(engine(models / "llama"), *samples)
    assert [index for index, _ in reply["truncations"]] == [1]
    assert "tokens were dropped to fit the model's 256" in reply["truncations"][0][1]
    assert [(s, m) for s, m, _ in reply["failures"]] == [(2, 0)]
    assert "the response alone takes" in reply["failures"][0][2]
    assert np.isfinite(reply["scores"][:2]).all() and np.isnan(reply["scores"][2])

    reply = run(engine(models / "llama", truncation="reject", max_length=64), *samples)
    assert reply["truncations"] == []
    assert [s for s, _, _ in reply["failures"]] == [1, 2]
    assert "the model takes 64" in reply["failures"][0][2]

    made = engine(models / "llama", truncation="response_middle")
    reply = run(made, *samples)
    assert [s for s, _, _ in reply["failures"]] == [1]
    assert "the prompt alone takes" in reply["failures"][0][2]
    ((truncated, text),) = reply["truncations"]
    assert truncated == 2 and "in the middle of the response's" in text
    _, (encoded,) = made.prepare({"groups": [long_response]})
    assert len(encoded.sequences[0].ids) == 256
    assert encoded.sequences[0].ids[-1] == 1


def test_what_a_template_or_tokenizer_refuses_fails_alone(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'tool' %}"
        "{{ raise_exception('no tools here') }}{% endif %}{{ m['content'] }}{% endfor %}"
    )
    made = engine(save_llama(tmp_path / "strict", tokenizer=tokenizer))
    tool = {"messages": [["tool", "x"]], "responses": ["y"]}
    broken_text = {"messages": [["user", "x"]], "responses": ["\ud800"]}
    reply = run(made, {"messages": QUESTION, "responses": ["2"]}, tool, broken_text)
    reasons = {s: reason for s, _, reason in reply["failures"]}
    assert sorted(reasons) == [1, 2]
    assert reasons[1].startswith("cannot be tokenised: ") and "no tools here" in reasons[1]
    assert reasons[2].startswith("cannot be tokenised: ")
    assert np.isfinite(reply["scores"][0])


def as_bytes(ids: list[int]) -> bytes:
    return np.array(ids, dtype="<i4").tobytes()


def test_token_ids_are_taken_as_they_are(models: Path) -> None:
    made = engine(models / "llama")
    tokenizer = tokenizer_hash(models / "llama")
    ids = read(made, GROUP)[0]

    def sample(prompt: list[int], response: list[int], by: str = tokenizer) -> dict[str, Any]:
        return {"ids": as_bytes(prompt), "hash": by, "responses": [as_bytes(response)]}

    reply = run(
        made,
        {"messages": QUESTION, "responses": TEXTS[:1]},
        sample(ids[:5], ids[5:]),
        sample(ids[:5], ids[5:], by="other"),
        sample([0, 259], [1]),
        sample([-1], [1]),
        sample([], []),
        sample([7] * 300, [8] * 10),
        sample([7] * 10, [8] * 300),
    )
    assert reply["scores"][1] == pytest.approx(reply["scores"][0], abs=1e-5)
    reasons = {s: reason for s, _, reason in reply["failures"]}
    assert sorted(reasons) == [2, 3, 4, 5, 7]
    assert "made with tokenizer 'other'" in reasons[2] and tokenizer in reasons[2]
    for index in (3, 4, 5):
        assert reasons[index] == "token ids must be 1 or more in 0..258"
    assert reasons[7] == "too long: the response alone takes 300 tokens; the model takes 256"
    ((truncated, text),) = reply["truncations"]
    assert truncated == 6 and "the first 54 of the prompt's 300 tokens" in text


@pytest.mark.parametrize(("dtype", "close"), [("bfloat16", 0.2), ("float16", 0.03)])
def test_half_precision_is_close(models: Path, dtype: str, close: float) -> None:
    exact = run(engine(models / "llama"), GROUP)["scores"]
    made = engine(models / "llama", dtype=dtype)
    assert made.start()["dtype"] == dtype
    assert 0 < np.abs(exact - run(made, GROUP)["scores"]).max() < close


def broken(models: Path, tmp_path: Path, **changes: Any) -> Path:
    """A copy of the llama with keys of its config.json changed."""
    directory = tmp_path / "broken"
    directory.mkdir()
    for file in (models / "llama").iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, **changes}))
    return directory


def refused(directory: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        engine(directory, **options)
    assert str(directory) in caught.value.message
    return caught.value.message


def test_more_than_one_label_is_refused(models: Path) -> None:
    message = refused(models / "two_labels")
    assert "has 2 outputs, but 1 are read" in message


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    assert "no such model directory" in refused(tmp_path / "nowhere")
    assert "config.json is missing" in refused(tmp_path)


def test_an_unknown_architecture_is_refused(models: Path, tmp_path: Path) -> None:
    assert "config.json" in refused(broken(models, tmp_path, model_type="novel"))


def test_an_encoder_decoder_is_refused(models: Path, tmp_path: Path) -> None:
    message = refused(broken(models, tmp_path, is_encoder_decoder=True))
    assert "encoder-decoder" in message


def test_weights_that_would_be_random_are_refused(models: Path, tmp_path: Path) -> None:
    directory = broken(models, tmp_path)
    weights = load_file(directory / "model.safetensors")
    del weights["score.weight"]
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    message = refused(directory)
    assert "weights are missing, which would be random: score.weight" in message


def test_pickled_weights_are_not_read(models: Path, tmp_path: Path) -> None:
    directory = broken(models, tmp_path)
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    assert "pytorch_model.bin is not read: it could run code" in refused(directory)


def test_damaged_weights_are_refused(models: Path, tmp_path: Path) -> None:
    directory = broken(models, tmp_path)
    (directory / "model.safetensors").write_bytes(b"not safetensors")
    assert "cannot be loaded as a sequence classifier" in refused(directory)


def test_a_length_beyond_the_positions_is_refused(models: Path) -> None:
    message = refused(models / "llama", max_length=300)
    assert "max_length: 300 is more than the 256 positions" in message
