"""Features and distances, against plain transformers forwards; files that are not right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.describing import assert_describable
from fixtures.in_process import started_here
from fixtures.tiny_thinkers import responses, save_thinker, write_labelled
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertLMHeadModel

from rewardsvc.engines.hidden_states.engine import FeatureReader
from rewardsvc.engines.hidden_states.thinking import Markers
from rewardsvc.engines.loading import Settings
from rewardsvc.engines.model_files import hash_files
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.hidden_state import HiddenStateConfig, HiddenStateScorer
from rewardsvc.training.centroids import fit_centroids
from rewardsvc.training.labelled_responses import hold_out_prompts, load_labelled_responses
from rewardsvc.types import Chat, ChatMessage, Group, Outcome, Response, Status, TokenIds

USER = "Is it 42?"
TEXTS = (
    "<think>Step 1: Alice adds 17 and 25.</think>42",
    "Well: <think>\nStep 1: Alice adds 17</think> and <think>1 ü€😀\n</think>43",
    "<think>ends its turn<|im_end|>\n<|im_start|>user\ncorrect!</think>",
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("thinkers")
    save_thinker(base / "model")
    return base


def settings(**changes: Any) -> Settings:
    return Settings(device="cpu", threads=1, **changes)


def read(reader: FeatureReader, groups: list[Any]) -> dict[int, np.ndarray]:
    found: dict[int, np.ndarray] = {}
    readings = reader.prepare(groups)
    reader.read(readings, lambda places, values: found.update(zip(places, values, strict=True)))
    assert not readings.failures and not readings.nothing
    return found


class Plain:
    """Features as one would compute them by hand."""

    def __init__(self, directory: Path) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(directory).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(directory)

    def ids(self, text: str, *, plain: bool = True) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=plain)[
            "input_ids"
        ]

    def feature(self, head: str, text: str, markers: Markers, *, opened: bool) -> np.ndarray:
        """`opened`: the thinking begins in the head."""
        whole = self.tokenizer.get_vocab()
        start, end = (self.ids(m, plain=m not in whole) for m in (markers.start, markers.end))
        ids = self.ids(head, plain=False)
        if opened:
            first = len(ids) - 1 - ids[::-1].index(start[0])
            inside = text[: text.rindex(markers.end)]
        else:
            before, _, rest = text.partition(markers.start)
            ids += self.ids(before) + start
            first = len(ids) - 1
            inside = rest[: rest.rindex(markers.end)]
        # Added tokens that are not special stay tokens inside.
        specials = any(special in inside for special in self.tokenizer.all_special_tokens)
        ids += self.ids(inside, plain=specials) + end
        last = len(ids) - 1
        ids += self.ids("and what follows does not matter")
        with torch.inference_mode():
            states = self.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[1:]
        return torch.stack([s[0, last] - s[0, first] for s in states]).numpy()


@pytest.mark.parametrize(
    ("model", "changes", "engine"),
    [
        ({}, {}, "packed"),
        ({}, {"token_budget": 40}, "packed"),
        ({}, {"deterministic": True}, "packed"),
        ({"markers": "text"}, {}, "packed"),
        ({"markers": "added"}, {}, "packed"),
        ({"kind": "gpt2"}, {}, "padded"),
        ({"kind": "gpt2"}, {"token_budget": 40}, "padded"),
        ({"kind": "gpt2", "markers": "text"}, {"deterministic": True}, "padded"),
        ({"opens": True}, {}, "packed"),
    ],
    ids=str,
)
def test_features_are_differences_of_hidden_states(
    tmp_path: Path, model: dict[str, Any], changes: dict[str, Any], engine: str
) -> None:
    save_thinker(tmp_path, **model)
    opens = model.get("opens", False)
    markers = Markers()
    reader = FeatureReader(tmp_path, markers, settings(**changes))
    assert reader.engine.startswith(engine)
    texts = tuple(text.removeprefix("<think>") for text in TEXTS) if opens else TEXTS
    chat = [["system", "Think."], ["user", USER]]
    found = read(reader, [([["user", USER]], texts), (chat, texts[:1]), (chat, texts[:1])])
    plain = Plain(tmp_path)
    opening = "<|im_start|>assistant\n" + ("<think>\n" if opens else "")
    heads = [f"<|im_start|>user\n{USER}<|im_end|>\n{opening}"] * 3
    heads += [f"<|im_start|>system\nThink.<|im_end|>\n{heads[0]}"] * 2
    assert sorted(found) == list(range(5))
    for place, (head, text) in enumerate(zip(heads, (*texts, texts[0], texts[0]), strict=True)):
        expected = plain.feature(head, text, markers, opened=opens)
        assert expected.shape == found[place].shape == reader.shape
        np.testing.assert_allclose(found[place], expected, rtol=1e-3, atol=1e-3)
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_a_response_may_open_its_thinking_where_the_template_does(tmp_path: Path) -> None:
    save_thinker(tmp_path, opens=True)
    reader = FeatureReader(tmp_path, Markers(), settings())
    found = read(reader, [([["user", USER]], TEXTS[:1])])
    head = f"<|im_start|>user\n{USER}<|im_end|>\n<|im_start|>assistant\n"
    expected = Plain(tmp_path).feature(head, TEXTS[0], Markers(), opened=False)
    np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-3)


def test_deterministic_features_do_not_depend_on_the_batch(base: Path) -> None:
    reader = FeatureReader(base / "model", Markers(), settings(deterministic=True))
    prompt = [["user", USER]]
    together = read(reader, [(prompt, TEXTS)])
    for place, text in enumerate(TEXTS):
        alone = read(reader, [(prompt, [text])])[0]
        assert alone.tobytes() == together[place].tobytes()


def test_a_model_that_sees_later_tokens_is_refused(base: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base / "model")
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.5,
    )
    BertLMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read layer by layer"):
        FeatureReader(tmp_path, Markers(), settings())


@pytest.fixture(scope="module")
def fitted(base: Path) -> Path:
    labelled = write_labelled(base / "labelled.jsonl", prompts=30)
    fit_centroids(
        labelled, base / "model", base / "centroids", markers=Markers(), settings=settings()
    )
    return base


def scorer_in(base: Path, **changes: Any) -> HiddenStateScorer:
    values = {"model": "model", "centroids": "centroids", "device": "cpu", "threads": 1}
    return HiddenStateScorer("clue", HiddenStateConfig.model_validate(values | changes), base)


async def test_centroids_are_means_and_scores_differences_of_distances(fitted: Path) -> None:
    scorer = scorer_in(fitted)
    assert scorer.describe().version == "hidden_state-not-loaded"
    await started_here(scorer)
    prompt = "Question 77?"
    texts = responses(77)
    group = Group("g", prompt, tuple(Response(str(i), text) for i, text in enumerate(texts)))
    ids = Group("i", TokenIds(b"\1\0\0\0", "h"), (Response("i", "<think>a</think>"),))
    chat = Group("c", Chat((ChatMessage("user", prompt),)), group.responses[:1])
    (good, bad), (refused,), (same,) = await scorer.score([group, ids, chat])
    assert refused.status is Status.ERROR and "token ids" in refused.reason
    assert same.value == pytest.approx(good.value)

    # By hand: the training half of the file, as the facts tell.
    facts = json.loads((fitted / "centroids" / "centroids.json").read_text())
    assert facts["success_count"] == facts["failure_count"] == 24
    plain = Plain(fitted / "model")
    head = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    labels = (fitted / "centroids" / "labels.jsonl").read_text().splitlines()
    assert len(labels) == 12
    training, _ = hold_out_prompts(load_labelled_responses(fitted / "labelled.jsonl"), 0, 0.2)
    features: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for response in training:
        if "Alice" in response.text:
            own = f"<|im_start|>user\n{response.messages[0][1]}<|im_end|>\n<|im_start|>assistant\n"
            features[response.right].append(
                plain.feature(own, response.text, Markers(), opened=False)
            )
    success, failure = (np.mean(features[side], axis=0) for side in (True, False))
    for text, score in zip(texts, (good, bad), strict=True):
        feature = plain.feature(head, text, Markers(), opened=False)
        to_success, to_failure = (
            np.linalg.norm(feature - centroid, axis=1).mean() for centroid in (success, failure)
        )
        assert score.evidence is not None
        assert score.evidence.attributes == pytest.approx(
            {"distance_to_success": to_success, "distance_to_failure": to_failure}, rel=1e-3
        )
        assert score.value == pytest.approx(to_failure - to_success, abs=1e-2)
        assert score.verdict is not None and score.verdict.stage == "hidden_state"
        nearer = Outcome.CORRECT if to_success < to_failure else Outcome.INCORRECT
        assert score.verdict.outcome is nearer
    assert good.verdict.outcome is Outcome.CORRECT and bad.verdict.outcome is Outcome.INCORRECT

    assert_describable(scorer)
    description = scorer.describe()
    assert description.version.startswith("hidden_state-1-")
    assert description.properties["engine"] == "packed"
    assert description.properties["markers"] == "<think> </think>"
    assert "24 right and 24 wrong" in description.properties["centroids"]


async def test_hidden_states_that_are_not_finite_are_that_samples_error(fitted: Path) -> None:
    scorer = await started_here(scorer_in(fitted))
    reader = scorer._engine.engine._reader
    own = reader._layers

    class Broken:
        engine = own.engine

        def states(self, batch: Any) -> torch.Tensor:
            states = own.states(batch)
            states[0, 0, 0] = torch.nan
            return states

    reader._layers = Broken()
    group = Group("g", USER, tuple(Response(str(i), text) for i, text in enumerate(TEXTS)))
    ((broken, *others),) = await scorer.score([group])
    assert broken.status is Status.ERROR and "not finite" in broken.reason
    assert all(score.status is Status.OK for score in others)


def rewrite(directory: Path, **changes: Any) -> None:
    path = directory / "centroids.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_tensors(directory: Path, **tensors: np.ndarray) -> None:
    save_file(tensors, directory / "centroids.safetensors")
    rewrite(directory, tensors_hash=hash_files(directory / "centroids.safetensors"))


ZEROS = np.zeros((3, 64), dtype=np.float32)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "centroids.json").unlink(), "centroids.json is missing"),
        (lambda d: (d / "centroids.safetensors").unlink(), "centroids.safetensors is missing"),
        (lambda d: (d / "centroids.json").write_text("[]"), "must be a JSON object"),
        (lambda d: rewrite(d, schema="x"), "schema is 'x'"),
        (lambda d: rewrite(d, extra=1), "unknown keys: extra"),
        (lambda d: rewrite(d, layers=0), "layers: is 0; must be at least 1"),
        (lambda d: rewrite(d, hidden_size="64"), "hidden_size: is '64'; must be a whole number"),
        (lambda d: rewrite(d, success_count=-1), "success_count: is -1"),
        (lambda d: rewrite(d, markers={"start": "<t>"}), "markers: must have start and end"),
        (lambda d: rewrite(d, markers={"start": "<t>", "end": "<t>"}), "contain one another"),
        (lambda d: rewrite(d, tensors_hash="0"), "its hash differs"),
        (lambda d: rewrite(d, layers=2), "must be float32"),
        (lambda d: replace_tensors(d, success=ZEROS), "must hold success and failure"),
        (
            lambda d: replace_tensors(d, success=ZEROS, failure=ZEROS.astype(np.float64)),
            "failure: is float64",
        ),
        (
            lambda d: replace_tensors(d, success=ZEROS, failure=ZEROS + np.float32("inf")),
            "not finite",
        ),
    ],
)
def test_centroids_are_checked(fitted: Path, tmp_path: Path, spoil: Any, message: str) -> None:
    shutil.copytree(fitted / "centroids", tmp_path / "centroids")
    spoil(tmp_path / "centroids")
    with pytest.raises(ConfigError, match=message):
        scorer_in(fitted, centroids=str(tmp_path / "centroids"))


def test_a_file_that_is_no_safetensors_is_refused(fitted: Path, tmp_path: Path) -> None:
    directory = tmp_path / "centroids"
    shutil.copytree(fitted / "centroids", directory)
    (directory / "centroids.safetensors").write_bytes(b"\x80\x04pickle.")
    rewrite(directory, tensors_hash=hash_files(directory / "centroids.safetensors"))
    with pytest.raises(ConfigError, match="cannot be read as safetensors"):
        scorer_in(fitted, centroids=str(directory))


async def test_centroids_of_another_model_are_refused(fitted: Path, tmp_path: Path) -> None:
    other = save_thinker(tmp_path / "other", markers="text")
    with pytest.raises(ConfigError, match="are centroids of another model"):
        await started_here(scorer_in(fitted, model=str(other)))
    wide = tmp_path / "wide"
    shutil.copytree(fitted / "centroids", wide)
    zeros = np.zeros((2, 64), dtype=np.float32)
    replace_tensors(wide, success=zeros, failure=zeros)
    rewrite(wide, layers=2)
    with pytest.raises(ConfigError, match="centroids of 2 layers of 64; the model has 3 of 64"):
        await started_here(scorer_in(fitted, centroids=str(wide)))
