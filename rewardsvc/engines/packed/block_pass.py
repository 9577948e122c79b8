"""A micro-batch block by block: the same bits for a sequence whatever it is batched with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rewardsvc.engines.packed.attention import AttentionRules
from rewardsvc.engines.packed.blocks import BLOCK_TOKENS, Block, cut_into_blocks
from rewardsvc.engines.packed.cascade import attend, merge
from rewardsvc.engines.packed.decoder import Decoder, PositionEmbeddings, run_layer
from rewardsvc.engines.packed.dense import attend_with_mask
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.packed.pruning import keys_and_values

__all__ = ["BlockPass"]


class BlockPass:
    """The deterministic pass. Its states are a list of (1, BLOCK_TOKENS, hidden), one a block."""

    def __init__(self, decoder: Decoder, batch: MicroBatch, *, prune: bool) -> None:
        self._decoder = decoder
        self._prune = prune
        blocked = cut_into_blocks(batch)
        self._blocks = blocked.blocks
        self._read_blocks = blocked.read_blocks.tolist()
        self._read_offsets = blocked.read_offsets.tolist()
        device = decoder.device
        self._rows = [torch.from_numpy(block.rows).to(device) for block in self._blocks]
        token_ids = torch.from_numpy(batch.token_ids).to(device).long()
        self.embedded = [decoder.embed(token_ids[rows][None]) for rows in self._rows]
        self._positions: dict[int, Tensor] = {}
        self._embeddings: dict[int, PositionEmbeddings] = {}
        for block, states in zip(self._blocks, self.embedded, strict=True):
            if block.start not in self._positions:
                stop = block.start + BLOCK_TOKENS
                positions = torch.arange(block.start, stop, device=device)[None]
                self._positions[block.start] = positions
                self._embeddings[block.start] = decoder.position_embeddings(states, positions)

    def run(self, layers: Sequence[nn.Module], first: int, states: list[Tensor]) -> list[Tensor]:
        """States after consecutive layers, the first of which has the index `first`."""
        for index, layer in enumerate(layers, start=first):
            keys: dict[int, Tensor] = {}
            values: dict[int, Tensor] = {}
            states = [
                self._layer(number, layer, index, states[number], keys, values)
                for number in range(len(self._blocks))
            ]
        return states

    def read(self, layers: Sequence[nn.Module], first: int, states: list[Tensor]) -> Tensor:
        """Runs the last layers and the final norm; (reads, hidden)."""
        wanted = set(self._read_blocks)
        normed: dict[int, Tensor] = {}
        if layers and self._prune:
            states = self.run(layers[:-1], first, states)
            layer, index = layers[-1], first + len(layers) - 1
            keys: dict[int, Tensor] = {}
            values: dict[int, Tensor] = {}
            for number, block in enumerate(self._blocks):
                if number in wanted:
                    last = self._layer(number, layer, index, states[number], keys, values)
                    normed[number] = self._decoder.norm(last)
                else:
                    embeddings = self._embeddings[block.start](index)
                    keys[number], values[number] = keys_and_values(
                        layer, states[number], embeddings
                    )
        else:
            states = self.run(layers, first, states)
            normed = {number: self._decoder.norm(states[number]) for number in wanted}
        return torch.stack(
            [
                normed[number][0, offset]
                for number, offset in zip(self._read_blocks, self._read_offsets, strict=True)
            ]
        )

    def _layer(
        self,
        number: int,
        layer: nn.Module,
        index: int,
        states: Tensor,
        keys: dict[int, Tensor],
        values: dict[int, Tensor],
    ) -> Tensor:
        block = self._blocks[number]
        kernel = _BlockKernel(number, block, self._rows[number], keys, values)
        return run_layer(
            layer,
            states,
            self._positions[block.start],
            self._embeddings[block.start](index),
            kernel,
        )


class _BlockKernel:
    """Attention of a block to itself and the blocks before; keeps its keys and values."""

    def __init__(
        self,
        number: int,
        block: Block,
        rows: Tensor,
        keys: dict[int, Tensor],
        values: dict[int, Tensor],
    ) -> None:
        self._number = number
        self._block = block
        self._keys = keys
        self._values = values
        self.rows = rows

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rules: AttentionRules) -> Tensor:
        self._keys[self._number], self._values[self._number] = key, value
        before = self._block.before
        earlier_keys = torch.cat([self._keys[b] for b in before], dim=2) if before else None
        earlier_values = torch.cat([self._values[b] for b in before], dim=2) if before else None
        plain = rules.plain(self._block.start + BLOCK_TOKENS)
        if plain and query.device.type == "cpu":
            output, lse = attend(query, key, value, causal=True, scale=rules.scale)
            if earlier_keys is not None and earlier_values is not None:
                earlier, earlier_lse = attend(
                    query, earlier_keys, earlier_values, scale=rules.scale
                )
                output = merge(output, lse, earlier, earlier_lse)
        else:
            if earlier_keys is not None and earlier_values is not None:
                key = torch.cat([earlier_keys, key], dim=2)
                value = torch.cat([earlier_values, value], dim=2)
            start = self._block.start
            positions = torch.arange(start, start + BLOCK_TOKENS, device=query.device)
            output = attend_with_mask(query, key, value, positions, rules)
        return output.transpose(1, 2)
