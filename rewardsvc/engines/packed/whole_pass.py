"""A micro-batch as one packed row of tokens: the fast pass.

On a GPU every product covers all tokens. On the CPU the layers run in chunks of rows whose
intermediate results stay in the caches: of thousands of rows they are tens of megabytes, and
writing them to fresh memory costs more than the arithmetic on them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from rewardsvc.engines.packed.cascade import ChunkKernel, KeysValues, cut_into_chunks
from rewardsvc.engines.packed.decoder import Decoder, run_layer
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.packed.pruning import run_layer_at_rows, worth_pruning
from rewardsvc.engines.packed.varlen import Varlen, VarlenKernel

__all__ = ["CPU_ROWS", "WholePass"]

CPU_ROWS = 1024
"""Rows of a chunk on the CPU."""


class WholePass:
    """The fast pass. Its states are one tensor, (1, tokens, hidden).

    Args:
        decoder: The model.
        batch: What to run.
        prune: Compute the last layer only where it is read, where that pays.
        varlen: The variable-length kernel to use; None: piece by piece.
    """

    def __init__(
        self, decoder: Decoder, batch: MicroBatch, *, prune: bool, varlen: Varlen | None
    ) -> None:
        self._decoder = decoder
        self._batch = batch
        device = decoder.device
        self._positions = torch.from_numpy(batch.position_ids).to(device).long()[None]
        token_ids = torch.from_numpy(batch.token_ids).to(device).long()[None]
        self.embedded = decoder.embed(token_ids)
        self._embeddings = decoder.position_embeddings(self.embedded, self._positions)
        self._varlen = None if varlen is None else VarlenKernel(batch, device, varlen)
        self._chunks = cut_into_chunks(batch, CPU_ROWS if device.type == "cpu" else batch.tokens)
        self._rows, self._back = np.unique(batch.read_rows, return_inverse=True)
        self._prune = prune and worth_pruning(batch, self._rows, varlen)
        self._varlen_function = varlen

    def run(self, layers: Sequence[nn.Module], first: int, states: Tensor) -> Tensor:
        """States after consecutive layers, the first of which has the index `first`."""
        for index, layer in enumerate(layers, start=first):
            states = self._run_layer(layer, index, states)
        return states

    def _run_layer(self, layer: nn.Module, index: int, states: Tensor) -> Tensor:
        embeddings = self._embeddings(index)
        if self._varlen is not None:
            return run_layer(layer, states, self._positions, embeddings, self._varlen)
        kept = KeysValues(self._batch.tokens)
        after = []
        for chunk in self._chunks:
            own = slice(chunk.start, chunk.stop)
            kernel = ChunkKernel(chunk, kept, self._batch.longest, states.device)
            after.append(
                run_layer(
                    layer,
                    states[:, own],
                    self._positions[:, own],
                    tuple(part[:, own] for part in embeddings),
                    kernel,
                )
            )
        return after[0] if len(after) == 1 else torch.cat(after, dim=1)

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
                self._chunks,
                self._rows,
                self._varlen_function,
            )
        else:
            states = states[:, torch.from_numpy(self._rows).to(states.device)]
        normed: Tensor = self._decoder.norm(states)[0]
        return normed[torch.from_numpy(self._back).to(normed.device)]
