"""The process that vLLM runs in, seen from the server."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rewardsvc_verifiers

from rewardsvc.engines.process import EngineProcess
from rewardsvc.engines.vllm.config import VllmEngineConfig
from rewardsvc.errors import ConfigError

__all__ = ["VllmProcess"]

_PACKAGES = {
    "rewardsvc": Path(__file__).parents[2],
    "rewardsvc_verifiers": Path(rewardsvc_verifiers.__file__).parent,
}


class VllmProcess:
    """Runs one of this package's engine classes beside vLLM.

    The interpreter may be another environment's, which needs vLLM and MessagePack but not
    rewardsvc: it is given these two packages and nothing else of this environment.

    Raises:
        ConfigError: the interpreter is not there.
    """

    def __init__(
        self,
        name: str,
        engine: str,
        config: VllmEngineConfig,
        directory: Path,
        base_path: Path,
        further_options: Mapping[str, Any] | None = None,
    ) -> None:
        python = None if config.python is None else base_path / config.python
        if python is not None and not python.is_file():
            raise ConfigError(f"python: no interpreter at {python}")
        self._packages: tempfile.TemporaryDirectory[str] | None = None
        environment = _environment(config)
        if python is not None:
            self._packages = tempfile.TemporaryDirectory(prefix="rewardsvc-packages-")
            for package, source in _PACKAGES.items():
                (Path(self._packages.name) / package).symlink_to(source)
            environment["PYTHONPATH"] = self._packages.name
        self.process = EngineProcess(
            name,
            engine,
            {
                "model": str(directory),
                "dtype": config.dtype,
                "max_length": config.max_length,
                "memory_fraction": config.memory_fraction,
                "tensor_parallel_size": config.tensor_parallel_size,
                "eager": config.eager,
                "prefix_caching": config.prefix_caching,
                "concurrency": config.concurrency,
                "engine_options": dict(config.engine_options),
                **(further_options or {}),
            },
            in_flight=config.concurrency,
            start_seconds=config.start_timeout_seconds,
            stall_seconds=config.stall_timeout_seconds,
            concurrent=True,
            python=None if python is None else str(python),
            environment=environment,
        )

    async def close(self) -> None:
        """Kills the process. Idempotent."""
        await self.process.close()
        if self._packages is not None:
            self._packages.cleanup()


def _environment(config: VllmEngineConfig) -> dict[str, str]:
    threads = {}
    if config.threads is not None:
        threads = {
            "OMP_NUM_THREADS": str(config.threads),
            # vLLM would bind its threads to cores, which others may be busy on.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        }
    return {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_CPU_KVCACHE_SPACE": str(config.cpu_cache_gigabytes),
        **threads,
    }
