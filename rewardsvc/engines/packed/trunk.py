"""A Hugging Face decoder run on packed micro-batches: hidden states where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from rewardsvc.engines.packed.block_pass import BlockPass
from rewardsvc.engines.packed.branches import Branch
from rewardsvc.engines.packed.cpu_linear import cpu_linear
from rewardsvc.engines.packed.decoder import Decoder
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.packed.self_check import difference
from rewardsvc.engines.packed.varlen import varlen_attention
from rewardsvc.engines.packed.whole_pass import WholePass
from rewardsvc.errors import ConfigError

__all__ = ["PackedTrunk"]

_EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")


class PackedTrunk:
    """The decoder under a reward model's head.

    Args:
        model: An unmodified Hugging Face decoder in eval mode, or a sequence classifier, causal
            model or PEFT model over one. It is not changed, and may be used beside this.
        deterministic: A sequence's hidden states do not depend, to the last bit on the CPU, on
            what it is batched with or shares its prefix with; see `blocks`.
        compile: Compile the layers with torch.compile.

    Raises:
        ConfigError: the architecture cannot be packed, or not deterministically; says why.
    """

    def __init__(self, model: Any, *, deterministic: bool = False, compile: bool = False) -> None:
        self._decoder = Decoder(model, compile=compile)
        self._deterministic = deterministic
        self._compile = compile
        if deterministic and any(getattr(self._decoder.config, n, None) for n in _EXPERT_COUNTS):
            raise ConfigError(
                f"{self._decoder.name}: cannot be deterministic: the shapes that an expert's "
                "products have depend on what else is routed to it"
            )
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
        if not 0 <= from_layer <= self.layers:
            raise ValueError(f"from_layer: {from_layer} is not within 0..{self.layers}")
        if not len(batch.read_rows):
            empty = torch.empty(0, decoder.config.hidden_size, dtype=decoder.dtype)
            return [empty.to(decoder.device) for _ in branches]
        with decoder.attending(), self._linear():
            forward = self._pass(batch)
            shared = forward.run(decoder.runners[:from_layer], 0, forward.embedded)
            results: list[Tensor] = []
            for branch in branches:
                own = decoder.layers if branch.changes_own else decoder.runners
                with branch.layers(own[from_layer:], batch) as layers:
                    results.append(forward.read(layers, from_layer, shared))
            return results

    def _linear(self) -> AbstractContextManager[Any]:
        # The compiler chooses for itself.
        if self._compile:
            return nullcontext()
        return cpu_linear(self._decoder.device, self._decoder.dtype)

    def _pass(self, batch: MicroBatch) -> Any:
        if self._deterministic:
            return BlockPass(self._decoder, batch, prune=self._prune)
        varlen = varlen_attention(self._decoder.device, self._decoder.dtype)
        return WholePass(self._decoder, batch, prune=self._prune, varlen=varlen)

    @torch.inference_mode()
    def apply(self, head: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
        """A head's outputs (reads, ...) for hidden states (reads, hidden).

        Deterministic, the head is run one row at a time: its products have shapes too.
        """
        if not self._deterministic or not len(states):
            return head(states)
        return torch.cat([head(states[i : i + 1]) for i in range(len(states))])
