"""The process scorer over its engine process, and through the gRPC service."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import tiny_step_models as tiny
import torch
from fixtures.describing import assert_describable
from fixtures.messages import group, request
from pydantic import ValidationError

from rewardsvc.engines.step_rewards.engine import StepRewardEngine
from rewardsvc.engines.step_rewards.vllm_engine import VllmStepEngine
from rewardsvc.engines.vllm.pooling import Pooled
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.process import ProcessScorer
from rewardsvc.scorers.process_config import ProcessConfig
from rewardsvc.types import Group, Outcome, Response, Score, Status, TokenIds
from rewardsvc.v1 import result_pb2

STEPS = ["6 * 7 = 42 is\nwhat we need.", "So the answer is 42."]
TEXT = "\n\n".join(STEPS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("process")
    tiny.save(base / "qwen", "qwen2_5_math")
    return base


def config(**settings: Any) -> ProcessConfig:
    values = {"model": "qwen", "format": "qwen2_5_math", "device": "cpu", "threads": 1, **settings}
    return ProcessConfig.model_validate(values)


class EngineHere:
    """The engine without its process, which the ensemble's tests cover."""

    def __init__(self, scorer: ProcessScorer) -> None:
        self._engine = StepRewardEngine(**scorer._engine._order["options"])

    async def start(self) -> dict[str, Any]:
        return self._engine.start()

    async def call(self, request: Any) -> Any:
        return self._engine.run(self._engine.prepare(request))

    async def close(self) -> None:
        pass


@pytest.fixture
async def scorer(base: Path) -> AsyncIterator[ProcessScorer]:
    made = ProcessScorer("prm", config(max_length=256, truncation="last_steps"), base)
    made._engine = EngineHere(made)
    assert made.describe().version == "process-not-loaded"
    await made.start()
    yield made
    await made.close()


async def test_a_batch(scorer: ProcessScorer, base: Path) -> None:
    question = tiny.QUESTION
    long = "\n\n".join(["a b c d"] * 100)
    [[scored, blank, ids], [cut]] = await scorer.score(
        [group_of(TEXT, " \n", TokenIds(b"\0\0\0\0", "h")), group_of(long)]
    )
    expected = tiny.published(base / "qwen", "qwen2_5_math", STEPS)
    assert scored.status is Status.OK
    assert [step.score for step in scored.steps] == pytest.approx(expected, abs=1e-5)
    assert scored.value == pytest.approx(min(expected), abs=1e-5)
    assert [TEXT[step.start : step.end] for step in scored.steps] == STEPS
    assert [step.outcome for step in scored.steps] == [
        Outcome.CORRECT if score >= 0.5 else Outcome.INCORRECT for score in expected
    ]
    assert [step.reward for step in scored.steps] == [None, None]
    assert (blank.status, blank.value, blank.reason) == (Status.OK, 0, "The response is blank.")
    assert ids.status is Status.ERROR and "needs text" in ids.reason
    assert cut.status is Status.TRUNCATED and "of 100 steps lie beyond the 256" in cut.reason
    unseen = [step for step in cut.steps if step.score is None]
    assert cut.steps[-1] in unseen and all(step.outcome is None for step in unseen)
    assert cut.value == pytest.approx(min(s.score for s in cut.steps if s.score is not None))

    assert_describable(scorer)
    description = scorer.describe()
    assert description.version.startswith("process-1-") and description.objective == "min"
    assert description.properties["engine"] == "packed"
    assert "the worst step decides" in description.properties["aggregation_bias"]
    assert scorer.weigh(group_of(TEXT))[0] == len(question) // 4 + 1


def group_of(*texts: Any) -> Group:
    return Group("g", tiny.QUESTION, tuple(Response(str(i), text) for i, text in enumerate(texts)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"step_reward": "score"}, [0.5, 0.2, 0.9]),
        ({"step_reward": "delta"}, [0.3, 0.2, 0.0]),
        ({"step_reward": "clip", "clip_threshold": 0.4}, [0.0, -0.2, 0.0]),
        ({"step_reward": "clip_delta", "clip_threshold": 0.4}, [0.2, -0.2, 0.0]),
        ({"step_reward": "advantage", "best_of": 1, "prompt_value": 0.4}, [0.1, -0.3, 0.7]),
        ({"step_reward": "advantage", "best_of": 1, "advantage_weight": 2}, [0.2, -0.6, 1.4]),
        ({"step_reward": "effective_value", "best_of": 1, "prompt_value": 0.5}, [0.5, -0.1, 1.6]),
        ({"step_reward": "advantage", "prompt_value": 0.3}, [0.9375 - 0.7599, -0.3471, 0.4095]),
    ],
)
def test_step_rewards(base: Path, settings: dict[str, Any], expected: list[float]) -> None:
    """The scores of the steps are given; with a second response the prompt is worth 0.4."""
    scorer = ProcessScorer("prm", config(aggregation="product", **settings), base)
    groups = [group_of("a\n\nb\n\nc", "d")]
    scores: list[list[Score | None]] = [[None, None]]
    asked = [(0, 0, tiny_spans(3)), (0, 1, tiny_spans(1))]
    reply = {"scores": [[0.5, 0.2, 0.9], [0.3]], "failures": [], "truncations": []}
    scorer._fill(scores, asked, reply)
    first = scores[0][0]
    assert first is not None and len(groups) == 1
    assert [step.reward for step in first.steps] == pytest.approx(expected)
    assert first.value == pytest.approx(0.09)


def tiny_spans(count: int) -> tuple[Any, ...]:
    from rewardsvc.critique.steps import split_steps

    return split_steps("\n\n".join("abc"[:count]))


async def test_through_the_service(base: Path, start_server, connect) -> None:
    server = await start_server(f"""
        server: {{address: "127.0.0.1:0"}}
        scorers:
          prm:
            {{kind: process, model: {base / "qwen"}, format: qwen2_5_math, aggregation: product,
             step_reward: delta, device: cpu, threads: 1}}
        rewards: {{prm: {{components: [{{scorer: prm}}]}}}}
    """)
    answer = await connect(server).Score(request("prm", group(TEXT, "")))
    scored, blank = answer.groups[0].results
    expected = tiny.published(base / "qwen", "qwen2_5_math", STEPS)
    assert scored.status == result_pb2.SCORE_STATUS_OK
    assert [step.score for step in scored.steps] == pytest.approx(expected, abs=1e-5)
    assert [step.reward for step in scored.steps] == pytest.approx([expected[0], 0], abs=1e-5)
    assert [(step.start, step.end) for step in scored.steps] == [(0, 27), (29, len(TEXT))]
    assert scored.reward == pytest.approx(expected[0] * expected[1], abs=1e-5)
    assert (blank.reward, blank.status_reason) == (0, "The response is blank.")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "llama"}, "must be one of math_shepherd, prm800k, qwen2_5_math"),
        ({"aggregation": "median"}, "must be one of min, product"),
        ({"step_reward": "clip"}, "clip_threshold must be given"),
        ({"clip_threshold": 0.5}, "clip_threshold must be given with"),
        ({"vllm": {"model": "other"}}, "vllm.model is another than model"),
        ({"vllm": {}}, "device, threads must be given under vllm"),
        ({"best_of": 2}, "best_of has no meaning for step_reward none"),
        ({"prompt_value": float("nan"), "step_reward": "advantage"}, "prompt_value"),
    ],
)
def test_a_wrong_configuration_says_what_is_allowed(settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**settings)


class PooledHere:
    """Stands for vLLM: plain transformers on the same model."""

    def __init__(self, base: Path, failure: str = "") -> None:
        self.model = tiny.QwenProcessRewardModel.from_pretrained(base / "qwen").eval()
        self.failure = failure
        self.closed = False

    async def start(self) -> dict[str, Any]:
        return {"vllm": "0", "dtype": "float32", "max_length": 256, "outputs": 2}

    async def read_tokens(self, sequences: Any) -> list[Pooled]:
        pooled = []
        for ids, positions in sequences:
            hidden = self.model.model(torch.tensor([ids])).last_hidden_state[0, positions]
            pooled.append(Pooled((self.model.score(hidden).double().detach().numpy(),)))
        if self.failure:
            pooled[0] = Pooled(failure=self.failure)
        return pooled

    async def close(self) -> None:
        self.closed = True


async def test_on_vllm_the_same_tokens_are_read(base: Path) -> None:
    given = {"model": "qwen", "format": "qwen2_5_math", "truncation": "last_steps", "vllm": {}}
    scorer = ProcessScorer("prm", ProcessConfig.model_validate(given), base)
    engine = scorer._engine
    assert isinstance(engine, VllmStepEngine)
    engine._pooling = pooling = PooledHere(base, "vLLM refused it")
    await scorer.start()
    assert scorer.describe().properties["engine"] == "vllm 0"
    long = "\n\n".join(["a b c d"] * 100)
    [[failed, scored, cut]] = await scorer.score([group_of("a", TEXT, long)])
    assert (failed.status, failed.reason) == (Status.ERROR, "vLLM refused it")
    expected = tiny.published(base / "qwen", "qwen2_5_math", STEPS)
    assert [step.score for step in scored.steps] == pytest.approx(expected, abs=1e-5)
    assert cut.status is Status.TRUNCATED and "of 100 steps lie beyond the 256" in cut.reason
    await scorer.close()
    assert pooling.closed


async def test_a_model_or_format_that_vllm_cannot_run_is_refused(base: Path) -> None:
    settings = {"model": "qwen", "format": "rlhflow", "vllm": {}}
    with pytest.raises(
        ConfigError, match="format rlhflow cannot run there; allowed: prm800k, qwen"
    ):
        ProcessScorer("prm", ProcessConfig.model_validate(settings), base)
    settings["format"] = "qwen2_5_math"
    scorer = ProcessScorer("prm", ProcessConfig.model_validate(settings), base)
    assert isinstance(scorer._engine, VllmStepEngine)
    scorer._engine._pooling = pooling = PooledHere(base)
    pooling.start = lambda: asyncio.sleep(0, {"outputs": 5})
    with pytest.raises(ConfigError, match="has 5 classes; format qwen2_5_math has 2"):
        await scorer.start()
    assert pooling.closed


def test_a_missing_model_is_named(base: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such model directory"):
        ProcessScorer("prm", config(model="nowhere"), base)


def test_the_server_itself_loads_no_torch() -> None:
    code = "import sys, rewardsvc.scorers.process; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
