"""The server's side of vLLM: what is sent, what is made of replies, and every failure's name.

The real vLLM is tested by `make test-vllm`; here toy engines stand in its process.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from waiting_generator import ask

from rewardsvc.engines.generation import GenerationFailed
from rewardsvc.engines.process import EngineDown
from rewardsvc.engines.vllm import generator as generator_module
from rewardsvc.engines.vllm import pooling as pooling_module
from rewardsvc.engines.vllm.config import VllmConfig
from rewardsvc.engines.vllm.generator import VllmGenerator
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.vllm_reward import VllmRewardConfig, VllmRewardScorer
from rewardsvc.types import Chat, ChatMessage, Group, Response, Score, Status, TokenIds

Start = Callable[..., Awaitable[VllmGenerator]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like a model's from outside."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(generator_module, "_ENGINE", "toy_vllm_engines:ToyGeneration")
    monkeypatch.setattr(pooling_module, "_ENGINE", "toy_vllm_engines:ToyPooling")


@pytest.fixture
async def start(model: Path) -> AsyncIterator[Start]:
    generators: list[VllmGenerator] = []

    async def make(**settings: Any) -> VllmGenerator:
        generator = VllmGenerator(VllmConfig(model="model", **settings), model, "critic")
        generators.append(generator)
        await generator.start()
        return generator

    yield make
    for generator in generators:
        await generator.close()


async def test_requests_and_replies(start: Start) -> None:
    generator = await start(prefix_caching=False)
    request = ask("q", samples=2, temperature=1, stop=("x",), choices=("a",),
                  top_log_probabilities=2)  # fmt: skip
    generation = await generator.generate(request)
    first, _ = generation.completions
    assert first.finish_reason == "length"
    assert first.tokens[0].alternatives == (("yes", -0.5), ("no", -1.0))
    for sent in ("('messages', [['user', 'q']])", "('samples', 2)", "('temperature', 1.0)",
                 "('stop', ['x'])", "('choices', ['a'])", "('logprobs', 2)"):  # fmt: skip
        assert sent in first.text
    usage = generation.usage
    assert (usage.model_calls, usage.prompt_tokens) == (1, 7)
    assert (usage.cached_prompt_tokens, usage.completion_tokens) == (4, 3)
    greedy = await generator.generate(ask("q", samples=3))
    assert len(greedy.completions) == 3 and "('samples', 1)" in greedy.completions[0].text
    assert (await generator.generate(ask("options"))).completions[0].text == "False"


async def test_failures_are_named(start: Start) -> None:
    generator = await start()
    results = await generator.generate_all([ask("fail"), ask("crash"), ask("q"), ask(samples=0)])
    reasons = [str(r) for r in results if isinstance(r, GenerationFailed)]
    assert reasons == [
        "critic: too long: the prompt has 70 tokens",
        "engine critic: RuntimeError: no luck",
        "samples: must be 1 to 128, not 0",
    ]
    for seconds in (0.2, 0.0):
        with pytest.raises(GenerationFailed) as caught:
            await generator.generate(ask("hang"), seconds=seconds)
        assert caught.value.timed_out
    waiting = asyncio.create_task(generator.generate(ask("hang")))
    await asyncio.sleep(0.05)
    await generator.close()
    with pytest.raises(GenerationFailed, match="was closed"):
        await waiting


async def test_the_version_follows_weights_and_settings(start: Start, model: Path) -> None:
    version = (await start()).version
    assert (await start(concurrency=3)).version == version
    assert (await start(engine_options={"block_size": 64})).version != version
    (model / "model" / "model.safetensors").write_bytes(b"others")
    assert (await start()).version != version


async def test_another_interpreter_gets_these_packages_and_no_others(
    start: Start, tmp_path: Path
) -> None:
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    # It would import the toy if it were given this process's import path.
    with pytest.raises(EngineDown, match=r"engine critic (failed to start|exited)"):
        await start(python=str(other))
    with pytest.raises(ConfigError, match="python: no interpreter at"):
        await start(python="absent")


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_missing_files_are_named(model: Path, missing: str) -> None:
    (model / "model" / missing).unlink()
    with pytest.raises(ConfigError, match="safetensors" if "safe" in missing else missing):
        VllmGenerator(VllmConfig(model="model"), model)


def group(*responses: str | TokenIds, prompt: Any = "question") -> Group:
    return Group("g", prompt, tuple(Response(f"{i}", r) for i, r in enumerate(responses)))


async def test_a_pooled_reward_scores_groups_in_order(model: Path) -> None:
    scorer = VllmRewardScorer("reward", VllmRewardConfig(model="model"), model)
    assert scorer.describe().version
    await scorer.start()
    try:
        ids = TokenIds(b"\1\0\0\0", "hash")
        chat = Chat((ChatMessage("user", "hi"),))
        groups = [group("abc", "bad", ids, "nan"), group("long", prompt=chat)]
        first, second = await scorer.score(groups)
        description = scorer.describe()
    finally:
        await scorer.close()
    assert first[0] == Score(Status.OK, 3.0)
    assert [score.status for score in first[1:]] == [Status.ERROR] * 3
    assert first[1].reason == "cannot be tokenised"
    assert "both be text or both be token ids" in first[2].reason
    assert "not finite" in first[3].reason
    assert (second[0].status, second[0].value) == (Status.TRUNCATED, 4.0)
    assert second[0].reason == "the first 3 tokens were dropped"
    assert description.properties["vllm"] == "0.0"


async def test_a_model_of_many_labels_is_no_reward_model(model: Path) -> None:
    scorer = VllmRewardScorer("reward", VllmRewardConfig(model="model", max_length=9), model)
    with pytest.raises(ConfigError, match="has 2 outputs; a reward model of family bradley_terry"):
        await scorer.start()


def test_families_with_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="must be one of bradley_terry"):
        VllmRewardConfig(model="model", family="attributes")
