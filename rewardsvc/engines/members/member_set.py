"""Members that are computed in one pass: they read the same token ids through one trunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rewardsvc.engines.loading import Settings, load_tokenizer, longest_input
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.passes import OpenTrunk, TokenSequence, open_trunk, run_sequences
from rewardsvc.errors import ConfigError

__all__ = ["MemberSet", "Source", "TrunkFiles", "apply_head", "check_outputs", "open_files"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where members come from; which fields count depends on the kind.

    Attributes:
        directories: Model directories (full models), or the one model or trunk.
        parts: Adapter directories, or head files.
        outputs: What each model gives a sample: 1, or its attributes.
        samples: Members made by dropout.
        rate: Dropout's, in (0, 1).
        layers: How many of the top layers drop units; 0 for a quarter.
        seed: Dropout's.
    """

    directories: tuple[str, ...]
    parts: tuple[str, ...] = ()
    outputs: int = 1
    samples: int = 0
    rate: float = 0.0
    layers: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrunkFiles:
    """A model opened for packed passes, with the tokenizer that comes with it."""

    directory: Path
    model: Any
    tokenizer: Any
    max_length: int
    vocabulary: int
    open: OpenTrunk


@dataclass(frozen=True, slots=True)
class MemberSet:
    """Members of one trunk.

    Attributes:
        trunk: Where their tokenizer is, and how they run.
        count: How many members these are.
        outputs: What each gives a sample.
        forward: (reads, count, outputs) of a micro-batch.
        facts: What to tell of them.
    """

    trunk: TrunkFiles
    count: int
    outputs: int
    forward: Callable[[MicroBatch], Tensor]
    facts: dict[str, str]

    def scores(
        self, sequences: Sequence[TokenSequence], token_budget: int
    ) -> tuple[NDArray[np.float64], dict[int, str]]:
        """Outputs (sequences, count, outputs), NaN where they failed, and why they did.

        Every sequence is read once.
        """

        @torch.inference_mode()
        def compute(batch: MicroBatch, owners: NDArray[np.int64]) -> Tensor:
            return self.forward(batch)

        outputs = np.full((len(sequences), self.count, self.outputs), np.nan)
        found, failures = run_sequences(
            sequences,
            compute,
            token_budget=token_budget,
            share_prefix=self.trunk.open.packed is not None,
        )
        for index, rows in enumerate(found):
            if len(rows):
                outputs[index] = rows[0]
        return outputs, failures


def open_files(
    directory: Path, model: Any, settings: Settings, *, classifier: bool = False
) -> TrunkFiles:
    """Opens a loaded model, with the tokenizer of its directory.

    Raises:
        ConfigError: the tokenizer or the lengths do not fit.
    """
    tokenizer = load_tokenizer(directory)
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    padding = tokenizer.pad_token_id
    return TrunkFiles(
        directory,
        model,
        tokenizer,
        longest_input(directory, model.config, tokenizer, settings.max_length),
        vocabulary,
        open_trunk(
            model,
            settings,
            padding if padding is not None and padding < vocabulary else 0,
            classifier=classifier,
        ),
    )


def apply_head(head: nn.Module, hidden: Tensor, settings: Settings) -> Tensor:
    """A head's output in float32, which it must be in: bfloat16 leaves near scores equal.

    One row at a time where scores must not depend on the batch, whose size decides how a
    matrix product is rounded.
    """
    if not settings.deterministic:
        output: Tensor = head(hidden.float())
        return output
    return torch.stack([head(row[None])[0] for row in hidden.float()])


def check_outputs(where: object, found: int, expected: int) -> None:
    """Raises ConfigError for a head with another number of outputs than the family reads."""
    if found != expected:
        raise ConfigError(f"{where}: has {found} outputs, but {expected} are read")
