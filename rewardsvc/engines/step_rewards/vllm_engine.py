"""A process reward model on vLLM's pooling runner, in the place of the torch engine.

For formats whose answer is a classifier's (`FormatEntry.right_classes`): vLLM gives the
outputs at every token, and those at the steps' ends are taken. Samples are tokenised here, in
a thread, as the torch engine does, to the same token ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines.step_rewards.formats import FORMATS
from rewardsvc.engines.step_rewards.reader import (
    StepReader,
    StepReading,
    Truncation,
    UnreadableSteps,
    step_format_named,
)
from rewardsvc.engines.vllm.config import VllmEngineConfig
from rewardsvc.engines.vllm.pooling import VllmPooling
from rewardsvc.errors import ConfigError

__all__ = ["VllmStepEngine"]


class VllmStepEngine:
    """Started, called and closed as an `EngineProcess` of `StepRewardEngine` is.

    Raises:
        ConfigError: the model or the interpreter is missing, or the format has no classifier.
    """

    def __init__(
        self,
        config: VllmEngineConfig,
        base_path: Path,
        name: str,
        *,
        step_format: str,
        truncation: Truncation,
    ) -> None:
        self._right_classes = FORMATS[step_format].right_classes
        if not self._right_classes:
            able = [key for key, entry in FORMATS.items() if entry.right_classes]
            raise ConfigError(
                f"vllm: format {step_format} cannot run there; allowed: {', '.join(able)}"
            )
        # Some models give the outputs of a mark's tokens only, by vLLM's default for them.
        options = {"pooler_config": {"tok_pooling_type": "ALL"}, **config.engine_options}
        every_token = config.model_copy(update={"engine_options": options})
        self._pooling = VllmPooling(every_token, base_path, name, task="token_classify")
        self._directory = base_path / config.model
        self._format_name = step_format
        self._truncation = truncation

    async def start(self) -> dict[str, Any]:
        """Starts vLLM, which loads the model; ConfigError where it is not of the format."""
        reader = asyncio.create_task(asyncio.to_thread(self._tokenizer_and_format))
        try:
            facts = await self._pooling.start()
            if facts["outputs"] not in self._right_classes:
                allowed = " or ".join(map(str, self._right_classes))
                raise ConfigError(
                    f"{self._directory}: has {facts['outputs']} classes; format "
                    f"{self._format_name} has {allowed}"
                )
            tokenizer, step_format = await reader
        except BaseException:
            reader.cancel()
            await self._pooling.close()
            raise
        length = int(facts["max_length"])
        self._right = list(self._right_classes[facts["outputs"]])
        self._reader = StepReader(tokenizer, step_format, length, self._truncation)
        return {"engine": f"vllm {facts['vllm']}", "dtype": facts["dtype"], "max_length": length}

    async def call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """As `StepRewardEngine`; raises what VllmPooling does."""
        samples = request["samples"]
        readings = await asyncio.to_thread(self._read_all, samples)
        asked = [r for r in readings if isinstance(r, StepReading)]
        pooled = iter(await self._pooling.read_tokens([(r.ids, r.reads) for r in asked]))
        scores: list[list[float]] = []
        failures, truncations = [], []
        for index, reading in enumerate(readings):
            scores.append([])
            if isinstance(reading, str):
                failures.append((index, reading))
                continue
            found = next(pooled)
            if found.failure:
                failures.append((index, found.failure))
            elif not np.isfinite(values := self._probabilities(found.outputs[0])).all():
                failures.append((index, "the model's scores are not finite"))
            else:
                scores[-1] = np.clip(values, 0.0, 1.0).tolist()
                if reading.truncation:
                    truncations.append((index, reading.truncation))
        return {"scores": scores, "failures": failures, "truncations": truncations}

    async def close(self) -> None:
        """Kills vLLM's process. Idempotent."""
        await self._pooling.close()

    def _tokenizer_and_format(self) -> tuple[Any, Any]:
        # transformers is needed only where a model is used.
        from rewardsvc.engines.loading import load_tokenizer

        tokenizer = load_tokenizer(self._directory)
        return tokenizer, step_format_named(self._format_name, tokenizer, self._directory)

    def _read_all(self, samples: Sequence[Mapping[str, Any]]) -> list[StepReading | str]:
        readings: list[StepReading | str] = []
        for sample in samples:
            try:
                readings.append(self._reader.read(sample))
            except UnreadableSteps as error:
                readings.append(str(error))
        return readings

    def _probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The summed softmax of the right classes, of logits (positions, classes)."""
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        right: NDArray[np.float64] = weights[:, self._right].sum(axis=1) / weights.sum(axis=1)
        return right
