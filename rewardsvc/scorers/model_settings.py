"""The settings that every scorer with local models has: how they are loaded, run and batched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rewardsvc.engines import EngineProcess
from rewardsvc.scorers.scorer import BatchLimits

__all__ = ["ModelSettings", "start_and_hash"]

_BATCHES_IN_FLIGHT = 2


class ModelSettings(BaseModel):
    """How models are loaded, run and batched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_length: int | None = Field(
        None,
        ge=8,
        description="Longest input in tokens; when absent, what each model takes.",
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
        False,
        description="A sample's score does not depend on what it was batched with; slower.",
    )
    compile: bool = Field(
        False, description="Compiles the layers with torch.compile; pays on a GPU."
    )
    micro_batch_tokens: int = Field(
        8192, ge=1, le=2**24, description="Tokens computed in one forward pass of one model."
    )
    max_batch_tokens: int = Field(65_536, ge=1, description="Most tokens in one batch.")
    max_batch_samples: int = Field(512, ge=1, description="Most responses in one batch.")
    max_queue_tokens: int = Field(16_777_216, ge=1, description="Most tokens waiting.")
    max_queue_samples: int = Field(65_536, ge=1, description="Most responses waiting.")
    start_timeout_seconds: float = Field(
        600.0, gt=0, le=86_400, description="Longest the models may take to load."
    )
    stall_timeout_seconds: float = Field(
        300.0,
        gt=0,
        le=86_400,
        description="Longest the engine may work without answering before it is killed "
        "and started anew.",
    )

    @property
    def limits(self) -> BatchLimits:
        """How work is gathered: one batch is prepared while another runs."""
        return BatchLimits(
            self.max_batch_tokens,
            self.max_batch_samples,
            self.max_queue_tokens,
            self.max_queue_samples,
            batches_in_flight=_BATCHES_IN_FLIGHT,
        )

    @property
    def engine_settings(self) -> dict[str, Any]:
        """The fields of `rewardsvc.engines.loading.Settings`."""
        return {
            "dtype": self.dtype,
            "device": self.device,
            "threads": self.threads,
            "max_length": self.max_length,
            "token_budget": self.micro_batch_tokens,
            "deterministic": self.deterministic,
            "compile": self.compile,
        }

    @property
    def deciding(self) -> str:
        """What of these settings decides scores, for a scorer's version."""
        return f"{self.max_length} {self.dtype} {self.deterministic}"

    def process(self, name: str, engine: str, options: Mapping[str, Any]) -> EngineProcess:
        """A process for an engine; `settings` is added to its options."""
        return EngineProcess(
            name,
            engine,
            {**options, "settings": self.engine_settings},
            in_flight=_BATCHES_IN_FLIGHT,
            start_seconds=self.start_timeout_seconds,
            stall_seconds=self.stall_timeout_seconds,
        )


async def start_and_hash(engine: EngineProcess, hashing: Sequence[Callable[[], str]]) -> list[Any]:
    """Starts an engine while its models' files are hashed; what it told, and the hashes."""
    jobs = asyncio.gather(*(asyncio.to_thread(job) for job in hashing))
    try:
        information = await engine.start()
    except BaseException:
        jobs.cancel()
        raise
    return [information, *await jobs]
