"""Configuration of a model that vLLM runs in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["VllmConfig", "VllmEngineConfig"]

_SET_HERE = frozenset(
    (
        "model",
        "tokenizer",
        "runner",
        "dtype",
        "max_model_len",
        "gpu_memory_utilization",
        "enable_prefix_caching",
        "enforce_eager",
        "tensor_parallel_size",
        "seed",
        "max_num_seqs",
        "trust_remote_code",
        "served_model_name",
        "disable_log_stats",
        "logits_processors",
        "worker_cls",
        "worker_extension_cls",
        "hf_overrides",
        "allowed_local_media_path",
    )
)


class VllmEngineConfig(BaseModel):
    """How vLLM runs a model; relative paths start at the configuration file's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        min_length=1,
        description="Model folder: config.json, tokenizer.json and weights in safetensors.",
    )
    python: str | None = Field(
        None,
        min_length=1,
        description="Interpreter of an environment of its own that has vLLM and msgpack (it need "
        "not have rewardsvc); the server's own when absent.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: the checkpoint's own."
    )
    max_length: int | None = Field(
        None, ge=8, description="Longest prompt with its answer in tokens; the model's when absent."
    )
    memory_fraction: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the GPU's memory that vLLM takes, with the weights; 0.9 when absent. "
        "On a CPU, the share of main memory that must be free; 0.05 when absent.",
    )
    cpu_cache_gigabytes: int = Field(
        4, ge=1, le=4096, description="Memory for keys and values when it runs on a CPU."
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads; vLLM's choice when absent."
    )
    tensor_parallel_size: int = Field(1, ge=1, le=1024, description="GPUs that share the model.")
    eager: bool = Field(False, description="Starts sooner and runs slower: nothing is compiled.")
    prefix_caching: bool = Field(
        True, description="Prompts that begin alike share the work on what they have in common."
    )
    concurrency: int = Field(
        256, ge=1, le=65_536, description="Requests in vLLM at a time; further ones wait."
    )
    engine_options: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Further arguments of vLLM's engine by name, e.g. {block_size: 32}.",
    )
    request_timeout_seconds: float = Field(
        600.0, gt=0, le=86_400, description="Longest a request may take; a caller's may be shorter."
    )
    start_timeout_seconds: float = Field(
        900.0, gt=0, le=86_400, description="Longest vLLM may take to load the model."
    )
    stall_timeout_seconds: float = Field(
        120.0,
        gt=0,
        le=86_400,
        description="Longest the process may be silent with work in it before it is killed and "
        "started anew.",
    )

    @field_validator("engine_options")
    @classmethod
    def _not_ours(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if taken := sorted(_SET_HERE & value.keys()):
            raise ValueError(f"{', '.join(taken)} cannot be set here")
        return value


class VllmConfig(VllmEngineConfig):
    """A generative model that vLLM runs."""

    engine: Literal["vllm"] = "vllm"
    chat_template_options: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Passed to the model's chat template, e.g. {enable_thinking: false}.",
    )
    cache_megabytes: int = Field(
        64, ge=0, le=65_536, description="Memory for answers that may be given again; 0: none."
    )
