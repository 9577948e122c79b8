"""Scores by one reward model on vLLM's pooling runner.

For models that need vLLM: several GPUs, its quantised formats, its kernels. Samples are read
as the ensemble scorer reads them, to the same token ids, and the score is the model's own
output without vLLM's default sigmoid, so that both give the same scores up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field, field_validator

from rewardsvc.engines.families import FAMILIES
from rewardsvc.engines.vllm.config import VllmEngineConfig
from rewardsvc.engines.vllm.pooling import Pooled, VllmPooling
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.model_requests import model_request
from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.types import Evidence, Group, Score, ScorerDescription, Status
from rewardsvc.versions import version_of

__all__ = ["VllmRewardConfig", "VllmRewardScorer"]

_KINDS = tuple(name for name, family in FAMILIES.items() if not family.weighted)
_BATCHES_IN_FLIGHT = 8
"""vLLM batches for itself, so the batcher only has to keep it supplied."""


class VllmRewardConfig(VllmEngineConfig):
    """Configuration of a reward model on vLLM."""

    kind: Literal["vllm_reward"] = "vllm_reward"
    family: str = Field("bradley_terry", description=f"One of {', '.join(_KINDS)}.")
    truncation: Literal["prompt_left", "response_middle", "reject"] = Field(
        "prompt_left",
        description="What happens to longer inputs: prompt_left drops the prompt's first "
        "tokens, response_middle the response's middle (status truncated); reject scores none "
        "of it (status error).",
    )
    max_batch_samples: int = Field(64, ge=1, description="Most responses in one batch.")
    max_queue_samples: int = Field(65_536, ge=1, description="Most responses waiting.")

    @field_validator("family")
    @classmethod
    def _known_family(cls, value: str) -> str:
        if value not in _KINDS:
            raise ValueError(f"must be one of {', '.join(_KINDS)}")
        return value


class VllmRewardScorer:
    """Scores responses with one reward model.

    `value` is what the family makes of the model's output: for bradley_terry the raw score,
    unbounded, higher is better, comparable within a prompt.
    """

    config_type: ClassVar[type[BaseModel]] = VllmRewardConfig

    def __init__(self, name: str, config: VllmRewardConfig, base_path: Path) -> None:
        """Checks that the model is there; loads nothing. Raises ConfigError."""
        self.name = name
        self._config = config
        self._family = FAMILIES[config.family]
        self.needs_reference = self._family.needs_reference
        self.range: tuple[float | None, float | None] = self._family.range
        self.limits = BatchLimits(
            max_batch_samples=config.max_batch_samples,
            max_queue_samples=config.max_queue_samples,
            batches_in_flight=_BATCHES_IN_FLIGHT,
        )
        self._pooling = VllmPooling(
            config, base_path, name, family=config.family, truncation=config.truncation
        )
        self._facts: dict[str, str] = {}

    def describe(self) -> ScorerDescription:
        """The model's version, with the family and the way inputs are cut."""
        version = version_of(
            "vllm-reward-1", self._pooling.version, self._config.family, self._config.truncation
        )
        properties = {"family": self._config.family, **self._family.properties, **self._facts}
        return ScorerDescription(self.name, "vllm_reward", version, properties=properties)

    def weigh(self, group: Group) -> list[int]:
        """By characters: vLLM makes its own batches."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts vLLM, which loads the model.

        Raises:
            ConfigError: the model cannot be used.
            EngineDown: the process could not be started.
        """
        facts = await self._pooling.start()
        if facts["outputs"] != 1:
            await self._pooling.close()
            raise ConfigError(
                f"model: {self._config.model} has {facts['outputs']} outputs; "
                f"a reward model of family {self._config.family} has 1"
            )
        self._facts = {key: str(facts[key]) for key in ("vllm", "dtype", "max_length")}

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Scores one batch.

        Raises:
            EngineCrashed, EngineDown, EngineCallFailed: the batch could not be run.
        """
        request = model_request(groups, with_references=self.needs_reference)
        pooled = await self._pooling.read_groups(request.groups) if request.groups else []
        return request.arrange([self._score(entry) for entry in pooled], groups)

    async def close(self) -> None:
        """Kills vLLM's process."""
        await self._pooling.close()

    def _score(self, pooled: Pooled) -> Score:
        if pooled.failure:
            return Score.unscored(Status.ERROR, pooled.failure)
        value = float(np.max(self._family.scores(np.stack(pooled.outputs), ())))
        if not np.isfinite(value):
            return Score.unscored(Status.ERROR, f"the model's score is not finite: {value}")
        status = Status.TRUNCATED if pooled.truncation else Status.OK
        evidence = Evidence(warnings=(pooled.warning,)) if pooled.warning else None
        return Score(status, value, pooled.truncation, evidence=evidence)
