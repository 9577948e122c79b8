"""A micro-batch as one packed row of tokens: every product covers all tokens at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from rewardsvc.engines.packed.attention import AttentionKernel
from rewardsvc.engines.packed.cascade import SegmentKernel
from rewardsvc.engines.packed.decoder import Decoder, run_layers
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.packed.pruning import run_layer_at_rows, worth_pruning
from rewardsvc.engines.packed.varlen import Varlen, VarlenKernel

__all__ = ["WholePass"]


class WholePass:
    """The fast pass. Its states are one tensor, (1, tokens, hidden).

    Args:
        decoder: The model.
        batch: What to run.
        prune: Compute the last layer only where it is read, where that pays.
        varlen: The variable-length kernel to use; None: segment by segment.
    """

    def __init__(
        self, decoder: Decoder, batch: MicroBatch, *, prune: bool, varlen: Varlen | None
    ) -> None:
        self._decoder = decoder
        self._batch = batch
        self._positions = torch.from_numpy(batch.position_ids).to(decoder.device).long()[None]
        token_ids = torch.from_numpy(batch.token_ids).to(decoder.device).long()[None]
        self.embedded = decoder.embed(token_ids)
        self._embeddings = decoder.position_embeddings(self.embedded, self._positions)
        self._varlen = varlen
        self._kernel: AttentionKernel = (
            SegmentKernel(batch) if varlen is None else VarlenKernel(batch, decoder.device, varlen)
        )
        self._rows, self._back = np.unique(batch.read_rows, return_inverse=True)
        self._prune = prune and worth_pruning(batch, self._rows, varlen)

    def run(self, layers: Sequence[nn.Module], first: int, states: Tensor) -> Tensor:
        """States after consecutive layers, the first of which has the index `first`."""
        return run_layers(layers, first, states, self._positions, self._embeddings, self._kernel)

    def read(self, layers: Sequence[nn.Module], first: int, states: Tensor) -> Tensor:
        """Runs the last layers and the final norm; (reads, hidden)."""
        prune = self._prune and len(layers) > 0
        whole = layers[:-1] if prune else layers
        states = self.run(whole, first, states)
        if prune:
            states = run_layer_at_rows(
                layers[-1],
                first + len(whole),
                states,
                self._positions,
                self._embeddings,
                self._batch,
                self._rows,
                self._varlen,
            )
        else:
            states = states[:, torch.from_numpy(self._rows).to(states.device)]
        normed: Tensor = self._decoder.norm(states)[0]
        return normed[torch.from_numpy(self._back).to(normed.device)]
