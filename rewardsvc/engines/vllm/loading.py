"""Starts vLLM's AsyncLLM on a model folder. Imports vLLM: used only in an engine process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rewardsvc.errors import ConfigError

__all__ = ["EngineOptions", "Progress", "load_tokenizer", "start_vllm"]

_CPU_MEMORY_FRACTION = 0.05
"""On a CPU vLLM only checks that this share of the memory is free; cpu_cache_gigabytes is what
it takes. Its own default of 0.92 fails wherever memory is shared."""
_GPU_MEMORY_FRACTION = 0.9
_CPU_BLOCK_TOKENS = 32
"""Prefixes are shared in whole blocks. 32 is the smallest on a CPU; vLLM's default there, 128,
leaves a quarter of what prompts have in common unshared."""


_GUIDES = {"backend": "guidance", "disable_any_whitespace": True}
"""A model may otherwise fill its whole answer with spaces between two tokens of JSON; vLLM
takes this for the engine as a whole, and only with a backend that is named."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What `VllmEngineConfig` says, as it arrives in the engine process."""

    model: str
    dtype: str = "auto"
    max_length: int | None = None
    memory_fraction: float | None = None
    tensor_parallel_size: int = 1
    eager: bool = False
    prefix_caching: bool = True
    concurrency: int = 256
    engine_options: dict[str, Any] | None = None


class Progress:
    """Counts the engine's steps: what tells a long generation from a hung engine."""

    def __init__(self) -> None:
        self.steps = 0

    def logger(self) -> Any:
        """A factory of vLLM statistics loggers that count into this."""
        from vllm.v1.metrics.loggers import StatLoggerBase

        progress = self

        class Counter(StatLoggerBase):  # type: ignore[misc, unused-ignore]
            def __init__(self, vllm_config: Any, engine_index: int = 0) -> None: ...

            def record(self, *_: Any, **__: Any) -> None:
                progress.steps += 1

            def log_engine_initialized(self) -> None: ...

        return Counter


def start_vllm(
    options: EngineOptions, runner: Literal["generate", "pooling"], progress: Progress
) -> Any:
    """A running AsyncLLM.

    Raises:
        ConfigError: vLLM refuses the model or an option.
    """
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    cpu = current_platform.is_cpu()
    default_fraction = _CPU_MEMORY_FRACTION if cpu else _GPU_MEMORY_FRACTION
    arguments: dict[str, Any] = {
        "model": options.model,
        "runner": runner,
        "dtype": _dtype(options),
        "max_model_len": options.max_length,
        "gpu_memory_utilization": options.memory_fraction or default_fraction,
        "tensor_parallel_size": options.tensor_parallel_size,
        "enforce_eager": options.eager,
        "enable_prefix_caching": options.prefix_caching,
        "max_num_seqs": options.concurrency,
        "trust_remote_code": False,
        # Never a pickle: it could run code.
        "load_format": "safetensors",
        **({"block_size": _CPU_BLOCK_TOKENS} if cpu else {}),
        **({"structured_outputs_config": _GUIDES} if runner == "generate" else {}),
        **(options.engine_options or {}),
    }
    try:
        arguments_checked = AsyncEngineArgs(**arguments)
        arguments_checked.create_engine_config()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{options.model}: vLLM refuses it: {_one_line(error)}") from error
    return AsyncLLM.from_engine_args(arguments_checked, stat_loggers=[progress.logger()])


def load_tokenizer(model: str) -> Any:
    """The model's fast tokenizer; ConfigError where there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise ConfigError(f"{model}: tokenizer cannot be loaded: {_one_line(error)}") from error
    if not tokenizer.is_fast:
        raise ConfigError(f"{model}: tokenizer must be a fast one (tokenizer.json)")
    return tokenizer


def _dtype(options: EngineOptions) -> str:
    """vLLM's own `auto` turns float32 into a smaller type; ours is the checkpoint's own."""
    if options.dtype != "auto":
        return options.dtype
    try:
        config = json.loads((Path(options.model) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{options.model}/config.json: cannot be read: {error}") from None
    stated = config.get("dtype") or config.get("torch_dtype")
    return stated if stated in ("float32", "bfloat16", "float16") else "auto"


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
