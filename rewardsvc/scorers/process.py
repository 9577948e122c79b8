"""Scores each step of a response by a process reward model.

The model runs in an engine process, one pass a response, and gives the probability of every
step; here they are aggregated to the response's score and turned into what a trainer credits
step by step. A blank response has the lowest score and is not shown to the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

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
from rewardsvc.engines.step_rewards.formats import FORMATS
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

__all__ = ["ProcessConfig", "ProcessScorer"]

_ENGINE = "rewardsvc.engines.step_rewards.engine:StepRewardEngine"
_CLIPPED = ("clip", "clip_delta")
_ADVANTAGES = ("advantage", "effective_value")


class ProcessConfig(BaseModel):
    """Configuration of a process reward model; relative paths start at the file's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["process"] = "process"
    model: str = Field(
        min_length=1,
        description="Model folder: config.json, tokenizer.json and weights in safetensors.",
    )
    format: str = Field(description=f"The model's format: one of {', '.join(FORMATS)}.")
    aggregation: str | None = Field(
        None,
        description=f"From step scores to the response's: one of {', '.join(AGGREGATIONS)}. When "
        "absent: last for models of Monte Carlo labels, min for those of judged steps.",
    )
    step_reward: Literal[
        "none", "score", "clip", "delta", "clip_delta", "advantage", "effective_value"
    ] = Field(
        "none",
        description="What a trainer credits at the end of each step: nothing; the step's score; "
        "min(score - clip_threshold, 0); score minus the next step's; both; how much the step "
        "changed the chance to end right; that chance plus the change.",
    )
    clip_threshold: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="Of clip; most scores should be above."
    )
    best_of: int = Field(
        4,
        ge=1,
        le=1024,
        description="Advantages are those of the prover that takes the best of so many rollouts.",
    )
    advantage_weight: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="Weight of an advantage; 3 to 5 suits RL, 0.2 to 0.5 search.",
    )
    prompt_value: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Chance to end right before the first step; when absent, the mean score of "
        "the first steps of the responses that are scored together.",
    )
    wrong_below: float = Field(
        0.5, gt=0, lt=1, description="Steps that score lower are called incorrect."
    )
    truncation: Literal["reject", "last_steps"] = Field(
        "reject",
        description="What happens to inputs longer than the model takes: reject scores none of "
        "it (status error); last_steps scores the steps that fit (status truncated).",
    )
    max_length: int | None = Field(
        None, ge=8, description="Longest input in tokens; when absent, what the model takes."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: the checkpoint's own on a GPU, float32 on the CPU."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        description="auto: the first GPU if there is one, else the CPU.",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads of the engine; torch's choice when absent."
    )
    deterministic: bool = Field(
        False, description="A score does not depend on what it is batched with."
    )
    micro_batch_tokens: int = Field(
        8192, ge=1, le=2**24, description="Tokens computed in one forward pass."
    )
    max_batch_tokens: int = Field(65_536, ge=1, description="Most tokens in one batch.")
    max_batch_samples: int = Field(512, ge=1, description="Most responses in one batch.")
    max_queue_tokens: int = Field(16_777_216, ge=1, description="Most tokens waiting.")
    max_queue_samples: int = Field(65_536, ge=1, description="Most responses waiting.")
    start_timeout_seconds: float = Field(
        600.0, gt=0, le=86_400, description="Longest the model may take to load."
    )
    stall_timeout_seconds: float = Field(
        300.0,
        gt=0,
        le=86_400,
        description="Longest the engine may work without answering before it is killed and "
        "started anew.",
    )

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in FORMATS:
            raise ValueError(f"must be one of {', '.join(FORMATS)}")
        return value

    @field_validator("aggregation")
    @classmethod
    def _known_aggregation(cls, value: str | None) -> str | None:
        if value is not None and value not in AGGREGATIONS:
            raise ValueError(f"must be one of {', '.join(AGGREGATIONS)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> ProcessConfig:
        if (self.clip_threshold is None) == (self.step_reward in _CLIPPED):
            raise ValueError("clip_threshold must be given with step_reward clip and clip_delta")
        given = {"best_of", "advantage_weight", "prompt_value"} & self.model_fields_set
        if given and self.step_reward not in _ADVANTAGES:
            raise ValueError(
                f"{', '.join(sorted(given))} has no meaning for step_reward {self.step_reward}"
            )
        return self

    @property
    def chosen_aggregation(self) -> str:
        """The aggregation in force."""
        return self.aggregation or FORMATS[self.format].aggregation


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
            batches_in_flight=2,
        )
        self._model_hash: str | None = None
        self._facts: dict[str, str] = {}
        self._engine = EngineProcess(
            name,
            _ENGINE,
            {
                "directory": str(self._directory),
                "step_format": config.format,
                "truncation": config.truncation,
                "dtype": config.dtype,
                "device": config.device,
                "threads": config.threads,
                "max_length": config.max_length,
                "token_budget": config.micro_batch_tokens,
                "deterministic": config.deterministic,
            },
            in_flight=self.limits.batches_in_flight,
            start_seconds=config.start_timeout_seconds,
            stall_seconds=config.stall_timeout_seconds,
        )

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
