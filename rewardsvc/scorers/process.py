"""Scores each step of a response by a process reward model.

The model runs in an engine process, one pass a response, and gives the probability of every
step; here they are aggregated to the response's score and turned into what a trainer credits
step by step. A blank response has the lowest score and is not shown to the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from rewardsvc.aggregate.step_rewards import (
    advantages,
    best_of_k_values,
    clip,
    delta,
    effective_values,
)
from rewardsvc.aggregate.steps import AGGREGATIONS, aggregate_steps
from rewardsvc.critique.steps import StepSpan, split_steps
from rewardsvc.engines import EngineProcess
from rewardsvc.engines.model_files import check_model_directory, model_hash
from rewardsvc.engines.step_rewards.vllm_engine import VllmStepEngine
from rewardsvc.scorers.process_config import ProcessConfig
from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.types import (
    Chat,
    Group,
    Outcome,
    Score,
    ScorerDescription,
    Status,
    Step,
    TokenIds,
    Verdict,
)
from rewardsvc.versions import version_of

__all__ = ["ProcessScorer"]

_ENGINE = "rewardsvc.engines.step_rewards.engine:StepRewardEngine"
_BATCHES_IN_FLIGHT = 2


class _StepEngine(Protocol):
    """Takes and gives what `StepRewardEngine` does."""

    async def start(self) -> dict[str, Any]: ...

    async def call(self, request: Any) -> Any: ...

    async def close(self) -> None: ...


class ProcessScorer:
    """Scores steps with one model; `value` is the aggregation of the steps' probabilities."""

    config_type: ClassVar[type[BaseModel]] = ProcessConfig
    needs_reference = False
    range: tuple[float | None, float | None] = (0.0, 1.0)

    def __init__(self, name: str, config: ProcessConfig, base_path: Path) -> None:
        """Checks that the model's files are there; loads nothing.

        Raises:
            ConfigError: names the path, and what is missing.
        """
        self.name = name
        self._config = config
        self._directory = base_path / config.model
        check_model_directory(self._directory)
        self._aggregation = config.chosen_aggregation
        self.limits = BatchLimits(
            config.max_batch_tokens,
            config.max_batch_samples,
            config.max_queue_tokens,
            config.max_queue_samples,
            batches_in_flight=_BATCHES_IN_FLIGHT,
        )
        self._model_hash: str | None = None
        self._facts: dict[str, str] = {}
        self._engine = _engine(name, config, base_path)

    def describe(self) -> ScorerDescription:
        """Format, aggregation with its bias, and version, which covers the weights."""
        if self._model_hash is None:
            version = "process-not-loaded"
        else:
            version = version_of("process-1", self._config, self._model_hash)
        return ScorerDescription(
            self.name,
            "process",
            version,
            members=(self._directory.name,),
            objective=self._aggregation,
            properties={
                "format": self._config.format,
                "aggregation_bias": AGGREGATIONS[self._aggregation].bias,
                "step_reward": self._config.step_reward,
                **self._facts,
            },
        )

    def weigh(self, group: Group) -> list[int]:
        """By characters: the batches need an estimate only."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts the engine process, which loads the model and scores once.

        Raises:
            ConfigError: the model cannot be used, or is not of the format.
            EngineDown: the process could not be started.
        """
        hashing = asyncio.create_task(asyncio.to_thread(model_hash, self._directory))
        try:
            information = await self._engine.start()
        except BaseException:
            hashing.cancel()
            raise
        self._model_hash = await hashing
        self._facts = {key: str(value) for key, value in information.items()}

    async def close(self) -> None:
        """Kills the engine process."""
        await self._engine.close()

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Scores one batch.

        Raises:
            EngineCrashed, EngineDown, EngineCallFailed: the batch could not be run.
        """
        scores: list[list[Score | None]] = []
        asked: list[tuple[int, int, tuple[StepSpan, ...]]] = []
        samples: list[dict[str, Any]] = []
        for index, group in enumerate(groups):
            scores.append([])
            for position, response in enumerate(group.responses):
                sample = _sample(self.name, group, response.text, index)
                if isinstance(sample, Score):
                    scores[-1].append(sample)
                    continue
                spans, request = sample
                scores[-1].append(None)
                asked.append((index, position, spans))
                samples.append(request)
        if samples:
            reply = await self._engine.call({"samples": samples})
            self._fill(scores, asked, reply)
        return [[score for score in row if score is not None] for row in scores]

    def _fill(
        self,
        scores: list[list[Score | None]],
        asked: Sequence[tuple[int, int, tuple[StepSpan, ...]]],
        reply: Mapping[str, Any],
    ) -> None:
        failures, truncations = dict(reply["failures"]), dict(reply["truncations"])
        first_steps: dict[int, list[float]] = {}
        for (index, _, _), values in zip(asked, reply["scores"], strict=True):
            if values:
                first_steps.setdefault(index, []).append(values[0])
        for number, (index, position, spans) in enumerate(asked):
            if number in failures:
                score = Score.unscored(Status.ERROR, failures[number])
            else:
                before = self._config.prompt_value
                if before is None:
                    before = sum(first_steps[index]) / len(first_steps[index])
                score = self._score(
                    spans, reply["scores"][number], before, truncations.get(number, "")
                )
            scores[index][position] = score

    def _score(
        self, spans: Sequence[StepSpan], values: Sequence[float], before: float, truncation: str
    ) -> Score:
        rewards = self._rewards(values, before)
        steps = []
        for number, span in enumerate(spans):
            if number >= len(values):  # cut off
                steps.append(Step(span.start, span.end))
                continue
            right = values[number] >= self._config.wrong_below
            outcome = Outcome.CORRECT if right else Outcome.INCORRECT
            reward = rewards[number] if rewards else None
            steps.append(Step(span.start, span.end, values[number], outcome, reward=reward))
        status = Status.TRUNCATED if truncation else Status.OK
        value = aggregate_steps(self._aggregation, values)
        return Score(status, value, truncation, steps=tuple(steps))

    def _rewards(self, values: Sequence[float], before: float) -> list[float]:
        """What each step earns; empty for `none`."""
        config = self._config
        match config.step_reward:
            case "none":
                return []
            case "score":
                return list(values)
            case "delta":
                return delta(values)
            case "clip" | "clip_delta":
                assert config.clip_threshold is not None
                clipped = clip(values, config.clip_threshold)
                return clipped if config.step_reward == "clip" else delta(clipped)
        prover, (prover_before,) = (
            best_of_k_values(values, config.best_of),
            best_of_k_values([before], config.best_of),
        )
        gained = advantages(prover, prover_before)
        if config.step_reward == "advantage":
            return [config.advantage_weight * advantage for advantage in gained]
        return effective_values(values, gained, config.advantage_weight)


def _engine(name: str, config: ProcessConfig, base_path: Path) -> _StepEngine:
    if config.vllm is not None:
        return VllmStepEngine(
            config.vllm,
            base_path,
            name,
            step_format=config.format,
            truncation=config.truncation,
        )
    return EngineProcess(
        name,
        _ENGINE,
        {
            "directory": str(base_path / config.model),
            "step_format": config.format,
            "truncation": config.truncation,
            "dtype": config.dtype,
            "device": config.device,
            "threads": config.threads,
            "max_length": config.max_length,
            "token_budget": config.micro_batch_tokens,
            "deterministic": config.deterministic,
        },
        in_flight=_BATCHES_IN_FLIGHT,
        start_seconds=config.start_timeout_seconds,
        stall_seconds=config.stall_timeout_seconds,
    )


def _sample(
    name: str, group: Group, text: str | TokenIds, number: int
) -> tuple[tuple[StepSpan, ...], dict[str, Any]] | Score:
    """The steps, and the sample as the engine takes it; or its score already."""
    prompt = group.prompt
    if isinstance(text, TokenIds) or isinstance(prompt, TokenIds):
        return Score.unscored(
            Status.ERROR, f"The process reward model {name!r} needs text, not token ids."
        )
    spans = split_steps(text)
    if not spans:
        reason = "The response is blank."
        return Score(Status.OK, 0.0, reason, verdict=Verdict(Outcome.NO_ANSWER, reason, "defence"))
    if isinstance(prompt, Chat):
        messages = [[message.role, message.content] for message in prompt.messages]
    else:
        messages = [["user", prompt]]
    return spans, {
        "messages": messages,
        "text": text,
        "spans": [[span.start, span.end] for span in spans],
        "group": number,
    }
