"""The engine of a process reward model: one packed pass a response, read at every step.

Imports torch: used only inside an engine process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewardsvc.engines.loading import Settings, load_tokenizer, prepare_torch
from rewardsvc.engines.members.member_set import TrunkFiles, open_files
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.passes import TokenSequence, run_sequences
from rewardsvc.engines.step_rewards.reader import (
    StepReader,
    Truncation,
    UnreadableSteps,
    step_format_named,
)
from rewardsvc.engines.step_rewards.step_format import StepModel
from rewardsvc.errors import ConfigError

__all__ = ["StepRewardEngine"]


@dataclass(slots=True)
class _Work:
    """A request, tokenised; samples that cannot be run are in `failures`."""

    samples: list[int] = field(default_factory=list)
    sequences: list[TokenSequence] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    truncations: dict[int, str] = field(default_factory=dict)


class StepRewardEngine:
    """Scores steps.

    Args:
        directory: the model's.
        step_format: one of FORMATS.
        truncation: reject, or last_steps: steps beyond the model's length have no score.
        settings: as keyword arguments of `Settings`.

    A request is `{"samples": [{"messages": [[role, content], …], "text": response,
    "spans": [[start, end], …], "group": number}, …]}` with at least one span a sample. The
    reply has `scores`, a list of probabilities a sample (fewer than its spans where the last
    were cut off, empty where it failed), and by sample the reasons in `failures` and
    `truncations`.
    """

    def __init__(
        self, directory: str, step_format: str, *, truncation: Truncation, **settings: Any
    ) -> None:
        self._directory = Path(directory)
        self._format_name = step_format
        self._truncation = truncation
        self._settings = Settings(**settings)

    def start(self) -> dict[str, Any]:
        """Loads the model and scores two steps."""
        prepare_torch(self._settings)
        tokenizer = load_tokenizer(self._directory)
        step_format = step_format_named(self._format_name, tokenizer, self._directory)
        self._model: StepModel = step_format.load(self._directory, self._settings)
        self._files: TrunkFiles = open_files(self._directory, self._model.model, self._settings)
        self._reader = StepReader(tokenizer, step_format, self._files.max_length, self._truncation)
        self._warm_up()
        return {
            "device": str(self._settings.torch_device),
            "engine": self._files.open.engine,
            "max_length": self._files.max_length,
        }

    def _warm_up(self) -> None:
        sample = {"messages": [["user", "1+1?"]], "text": "a\n\nb", "spans": [[0, 1], [3, 4]]}
        reply = self.run(self.prepare({"samples": [{**sample, "group": 0}]}))
        if reply["failures"]:
            raise ConfigError(f"{self._directory}: cannot score: {reply['failures'][0][1]}")

    def prepare(self, request: Any) -> tuple[int, _Work]:
        """Tokenises the samples."""
        work = _Work()
        for index, sample in enumerate(request["samples"]):
            try:
                reading = self._reader.read(sample)
            except UnreadableSteps as error:
                work.failures[index] = str(error)
                continue
            if reading.truncation:
                work.truncations[index] = reading.truncation
            work.samples.append(index)
            work.sequences.append(TokenSequence(reading.ids, reading.reads, sample["group"]))
        return len(request["samples"]), work

    def run(self, request: tuple[int, _Work]) -> dict[str, Any]:
        """Runs what `prepare` made ready."""
        count, work = request
        found, failed = run_sequences(
            work.sequences,
            self._compute,
            token_budget=self._settings.token_budget,
            share_prefix=self._files.open.packed is not None,
        )
        scores: list[list[float]] = [[] for _ in range(count)]
        failures = dict(work.failures)
        for position, (index, values) in enumerate(zip(work.samples, found, strict=True)):
            if position in failed:
                failures[index] = failed[position]
            elif not np.isfinite(values).all():
                failures[index] = "the model's scores are not finite"
            else:
                scores[index] = np.clip(values, 0.0, 1.0).tolist()
        return {
            "scores": scores,
            "failures": list(failures.items()),
            "truncations": list(work.truncations.items()),
        }

    @torch.inference_mode()
    def _compute(self, batch: MicroBatch, owners: NDArray[np.int64]) -> Tensor:
        return self._model.head(self._files.open.trunk.hidden(batch))
