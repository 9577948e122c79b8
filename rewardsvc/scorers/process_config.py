"""Configuration of a process reward model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rewardsvc.aggregate.steps import AGGREGATIONS
from rewardsvc.engines.step_rewards.formats import FORMATS
from rewardsvc.engines.vllm.config import VllmEngineConfig

__all__ = ["ProcessConfig"]

_CLIPPED = ("clip", "clip_delta")
_ADVANTAGES = ("advantage", "effective_value")
_OF_TORCH = frozenset(
    {"max_length", "dtype", "device", "threads", "deterministic", "micro_batch_tokens"}
    | {"start_timeout_seconds", "stall_timeout_seconds"}
)
"""Settings of the torch engine; vLLM has its own."""


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
    vllm: VllmEngineConfig | None = Field(
        None,
        description="Runs the model on vLLM with these settings (model is taken from above); for "
        f"formats {', '.join(name for name, entry in FORMATS.items() if entry.right_classes)}. "
        "When absent it runs on the service's own packed engine.",
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

    @model_validator(mode="before")
    @classmethod
    def _same_model(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("vllm"), dict) and "model" in data:
            return {**data, "vllm": {"model": data["model"], **data["vllm"]}}
        return data

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
        if self.vllm is not None:
            if self.vllm.model != self.model:
                raise ValueError("vllm.model is another than model; leave it out")
            if clash := sorted(_OF_TORCH & self.model_fields_set):
                raise ValueError(f"{', '.join(clash)} must be given under vllm, or not at all")
        return self

    @property
    def chosen_aggregation(self) -> str:
        """The aggregation in force."""
        return self.aggregation or FORMATS[self.format].aggregation
