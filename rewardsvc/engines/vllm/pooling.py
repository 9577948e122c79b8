"""A classifier on vLLM's pooling runner in a process of its own, seen from the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines.model_files import check_model_directory, model_hash
from rewardsvc.engines.truncation import Truncation
from rewardsvc.engines.vllm.config import VllmEngineConfig
from rewardsvc.engines.vllm.process import VllmProcess
from rewardsvc.versions import version_of

__all__ = ["Pooled", "VllmPooling"]

_ENGINE = "rewardsvc.engines.vllm.pooling_engine:PoolingEngine"


@dataclass(frozen=True, slots=True)
class Pooled:
    """A classifier's raw outputs for one sample or sequence, or why there are none."""

    outputs: tuple[NDArray[np.float64], ...] = ()
    """One array a reading: (labels,) for a sample, (positions, labels) for a sequence."""
    failure: str = ""
    truncation: str = ""
    warning: str = ""


class VllmPooling:
    """Runs a classifier; relative paths in `config` start at `base_path`.

    Args:
        task: classify reads one output a sequence, at its last token; token_classify one a
            token.
        family: how groups are read, a key of `rewardsvc.engines.families.FAMILIES`.
        truncation: what is cut of inputs that are too long.

    Raises:
        ConfigError: the folder or the interpreter is missing, or the folder holds no model.
    """

    def __init__(
        self,
        config: VllmEngineConfig,
        base_path: Path,
        name: str = "model",
        *,
        task: Literal["classify", "token_classify"] = "classify",
        family: str = "bradley_terry",
        truncation: Truncation = "prompt_left",
    ) -> None:
        self.name = name
        self._config = config
        self._directory = base_path / config.model
        check_model_directory(self._directory)
        options = {"task": task, "family": family, "truncation": truncation}
        self._vllm = VllmProcess(name, _ENGINE, config, self._directory, base_path, options)
        self._labels = 0
        self.version = "vllm-pooling-not-loaded"
        """Of weights, tokenizer, vLLM and the settings that change outputs."""

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._vllm.process.pid

    async def start(self) -> Mapping[str, Any]:
        """Starts the process; gives vllm, dtype, max_length and outputs (the labels' number).

        Raises:
            ConfigError: the model cannot be used.
            EngineDown: the process could not be started, e.g. for want of vLLM.
        """
        hashing = asyncio.create_task(asyncio.to_thread(model_hash, self._directory))
        try:
            facts: dict[str, Any] = await self._vllm.process.start()
        except BaseException:
            hashing.cancel()
            raise
        self._labels = facts["outputs"]
        self.version = version_of(
            "vllm-pooling-1",
            await hashing,
            f"{facts['vllm']} {facts['dtype']} {facts['max_length']}",
            repr(sorted(self._config.engine_options.items())),
        )
        return facts

    async def read_groups(self, groups: Sequence[Mapping[str, Any]]) -> list[Pooled]:
        """Outputs of each sample of each group, as `model_request` makes groups.

        Raises:
            EngineCrashed, EngineDown, EngineCallFailed: none of it could be run.
        """
        reply = await self._vllm.process.call({"groups": list(groups)})
        return [self._pooled(entry, (self._labels,)) for entry in reply]

    async def read_tokens(
        self, sequences: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[Pooled]:
        """Outputs at some positions of token id sequences; for the task token_classify.

        Args:
            sequences: token ids, and positions among them.

        Raises:
            EngineCrashed, EngineDown, EngineCallFailed: none of it could be run.
        """
        packed = [
            [np.asarray(ids, "<i4").tobytes(), np.asarray(positions, "<i4").tobytes()]
            for ids, positions in sequences
        ]
        reply = await self._vllm.process.call({"sequences": packed})
        return [self._pooled(entry, (-1, self._labels)) for entry in reply]

    async def close(self) -> None:
        """Kills the process. Idempotent."""
        await self._vllm.close()

    @staticmethod
    def _pooled(entry: Mapping[str, Any], shape: tuple[int, ...]) -> Pooled:
        if "failure" in entry:
            return Pooled(failure=entry["failure"])
        outputs = tuple(np.frombuffer(output).reshape(shape) for output in entry["outputs"])
        return Pooled(
            outputs, truncation=entry.get("truncation", ""), warning=entry.get("warning", "")
        )
