"""A Hugging Face decoder run on packed micro-batches: hidden states where they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rewardsvc.engines.packed.branches import Branch
from rewardsvc.engines.packed.cascade import SegmentKernel
from rewardsvc.engines.packed.decoder import Decoder, PositionEmbeddings, run_layers
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.packed.pruning import run_layer_at_rows, worth_pruning
from rewardsvc.engines.packed.self_check import difference
from rewardsvc.errors import ConfigError

__all__ = ["PackedTrunk"]


class PackedTrunk:
    """The decoder under a reward model's head.

    Args:
        model: An unmodified Hugging Face decoder in eval mode, or a sequence classifier, causal
            model or PEFT model over one. It is not changed, and may be used beside this.
        deterministic: A sequence's hidden states do not depend on what it is batched with.
        compile: Compile the layers with torch.compile.

    Raises:
        ConfigError: the architecture cannot be packed; says why.
    """

    def __init__(self, model: Any, *, deterministic: bool = False, compile: bool = False) -> None:
        self._decoder = Decoder(model)
        self._prune = True
        if self._wrong():
            # A last layer of another build is run whole.
            self._prune = False
            if wrong := self._wrong():
                raise ConfigError(f"{self._decoder.name}: cannot be packed: {wrong}")

    def _wrong(self) -> str | None:
        return difference(self._decoder, self.hidden)

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return len(self._decoder.layers)

    @torch.inference_mode()
    def hidden(self, batch: MicroBatch) -> Tensor:
        """Hidden states after the final norm, (reads, hidden), in the order of the reads."""
        return self.branches(batch, [Branch()], 0)[0]

    @torch.inference_mode()
    def branches(
        self, batch: MicroBatch, branches: Sequence[Branch], from_layer: int
    ) -> list[Tensor]:
        """As `hidden`, for every branch.

        The layers below `from_layer` are run once, those from it up once a branch.

        Raises:
            ValueError: `from_layer` is not within 0..layers.
        """
        decoder = self._decoder
        if not 0 <= from_layer <= len(decoder.layers):
            raise ValueError(f"from_layer: {from_layer} is not within 0..{len(decoder.layers)}")
        if not len(batch.read_rows):
            empty = torch.empty(0, decoder.config.hidden_size, dtype=decoder.dtype)
            return [empty.to(decoder.device) for _ in branches]
        with decoder.attending():
            position_ids = torch.from_numpy(batch.position_ids).to(decoder.device).long()[None]
            token_ids = torch.from_numpy(batch.token_ids).to(decoder.device).long()[None]
            hidden = decoder.embed(token_ids)
            embeddings = decoder.position_embeddings(hidden, position_ids)
            kernel = SegmentKernel(batch)
            shared = run_layers(
                decoder.layers[:from_layer], 0, hidden, position_ids, embeddings, kernel
            )
            return [
                self._above(branch, batch, from_layer, shared, position_ids, embeddings, kernel)
                for branch in branches
            ]

    def _above(
        self,
        branch: Branch,
        batch: MicroBatch,
        from_layer: int,
        hidden: Tensor,
        position_ids: Tensor,
        embeddings: PositionEmbeddings,
        kernel: SegmentKernel,
    ) -> Tensor:
        rows, back = np.unique(batch.read_rows, return_inverse=True)
        with branch.layers(self._decoder.layers[from_layer:], batch) as layers:
            prune = self._prune and len(layers) > 0 and worth_pruning(batch, rows)
            whole = layers[:-1] if prune else layers
            hidden = run_layers(whole, from_layer, hidden, position_ids, embeddings, kernel)
            if prune:
                last = from_layer + len(whole)
                hidden = run_layer_at_rows(
                    layers[-1], last, hidden, position_ids, embeddings, batch, rows
                )
            else:
                hidden = hidden[:, torch.from_numpy(rows).to(hidden.device)]
        normed: Tensor = self._decoder.norm(hidden[0])
        return normed[torch.from_numpy(back).to(normed.device)]
