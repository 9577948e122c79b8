"""Hidden states after every layer, at a few positions: never of all tokens and layers at once.

The states are those that transformers gives as `hidden_states[1:]`: after each layer, and after
the final norm in place of the last one's own. The embeddings are left out. Imports torch: used
only where a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rewardsvc.engines.loading import Settings, one_line
from rewardsvc.engines.members.member_set import TrunkFiles
from rewardsvc.engines.micro_batches import plan_micro_batches
from rewardsvc.engines.packed.attention import attention_in
from rewardsvc.engines.packed.block_pass import BlockPass
from rewardsvc.engines.packed.blocks import cut_into_blocks
from rewardsvc.engines.packed.cpu_linear import cpu_linear
from rewardsvc.engines.packed.decoder import Decoder
from rewardsvc.engines.packed.layout import MicroBatch, group_by_prefix, plan
from rewardsvc.engines.packed.varlen import varlen_attention
from rewardsvc.engines.packed.whole_pass import WholePass
from rewardsvc.errors import ConfigError

__all__ = ["HookedLayers", "LayerStates", "PackedLayers", "open_layers"]

_TOLERANCES = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Of the relative difference to the model's own; a wrong mask or layer shows as about 1."""


_Change = Callable[[Tensor], Tensor]


class LayerStates(Protocol):
    """A model that is read after every layer."""

    engine: str
    """`packed`, or `padded: ` and why."""

    def states(self, batch: MicroBatch) -> Tensor:
        """Hidden states (reads, layers, hidden), in the order of the batch's reads."""


class PackedLayers:
    """A decoder run on packed micro-batches, layer by layer.

    Args:
        model: One that `PackedTrunk` has taken with the same settings.
        deterministic: As there.
        compile: As there.
    """

    engine = "packed"

    def __init__(self, model: Any, *, deterministic: bool, compile: bool) -> None:
        self._decoder = Decoder(model, compile=compile)
        self._deterministic = deterministic
        self._compile = compile

    @torch.inference_mode()
    def states(self, batch: MicroBatch) -> Tensor:
        """As `LayerStates`."""
        decoder = self._decoder
        taken: list[Tensor] = []
        # The compiler chooses its matrix products for itself.
        linear: AbstractContextManager[Any]
        linear = nullcontext() if self._compile else cpu_linear(decoder.device, decoder.dtype)
        with decoder.attending(), linear:
            if self._deterministic:
                forward: Any = BlockPass(decoder, batch, prune=False)
                take: Callable[[Any, _Change], Tensor] = _block_reader(batch)
            else:
                varlen = varlen_attention(decoder.device, decoder.dtype)
                forward = WholePass(decoder, batch, prune=False, varlen=varlen)
                take = _row_reader(batch, decoder.device)
            states = forward.embedded
            for index, layer in enumerate(decoder.runners):
                states = forward.run([layer], index, states)
                last = index + 1 == len(decoder.runners)
                taken.append(take(states, decoder.norm if last else _unchanged))
        return torch.stack(taken, dim=1)


def _unchanged(states: Tensor) -> Tensor:
    return states


def _row_reader(batch: MicroBatch, device: torch.device) -> Callable[[Tensor, _Change], Tensor]:
    rows = torch.from_numpy(batch.read_rows).to(device)
    return lambda states, change: change(states[:, rows])[0]


def _block_reader(batch: MicroBatch) -> Callable[[Sequence[Tensor], _Change], Tensor]:
    blocked = cut_into_blocks(batch)
    places = list(zip(blocked.read_blocks.tolist(), blocked.read_offsets.tolist(), strict=True))

    def take(states: Sequence[Tensor], change: _Change) -> Tensor:
        # The norm sees whole blocks: its shapes must not depend on how many are read.
        changed = {block: change(states[block]) for block, _ in places}
        return torch.stack([changed[block][0, offset] for block, offset in places])

    return take


class HookedLayers:
    """A decoder that cannot be packed, run on padded batches with a hook behind every layer.

    Args:
        model: A causal language model in eval mode.
        why: Why it is not packed.
        padding: Any token id that the model knows; it is masked everywhere.
        token_budget: Padded tokens of one forward pass.

    Raises:
        ConfigError: it has no list of as many layers as its configuration says.
    """

    def __init__(self, model: Any, why: str, *, padding: int, token_budget: int) -> None:
        self.engine = why
        self._base = model.base_model
        self._padding = padding
        self._token_budget = token_budget
        count = model.config.get_text_config().num_hidden_layers
        lists = [m for m in self._base.modules() if isinstance(m, nn.ModuleList)]
        self._layers = next((list(found) for found in lists if len(found) == count), [])
        if not self._layers:
            raise ConfigError(f"{type(model).__name__}: has no list of its {count} layers to read")

    @torch.inference_mode()
    def states(self, batch: MicroBatch) -> Tensor:
        """As `LayerStates`, for a batch without shared prefixes."""
        sequences = [batch.token_ids[part.start : part.end] for part in batch.segments]
        starts = np.array([part.start for part in batch.segments])
        owners = np.searchsorted(starts, batch.read_rows, side="right") - 1
        found: dict[int, Tensor] = {}
        for chosen in plan_micro_batches([len(ids) for ids in sequences], self._token_budget):
            reads = [read for read, owner in enumerate(owners.tolist()) if owner in set(chosen)]
            row_of = {owner: row for row, owner in enumerate(chosen)}
            rows = torch.tensor([row_of[owners[read]] for read in reads])
            positions = torch.from_numpy(batch.read_positions[reads])
            states = self._forward([sequences[index] for index in chosen], rows, positions)
            found.update(zip(reads, states, strict=True))
        return torch.stack([found[read] for read in range(len(owners))])

    def _forward(self, sequences: Sequence[Any], rows: Tensor, positions: Tensor) -> Tensor:
        """States (reads, layers, hidden) at these rows and positions of the sequences."""
        lengths = torch.tensor([len(ids) for ids in sequences])
        ids = torch.full((len(sequences), int(lengths.max())), self._padding)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.from_numpy(sequence).long()
        mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
        device = self._base.device
        rows, positions = rows.to(device), positions.to(device)
        with self._reading(rows, positions) as taken:
            output = self._base(
                input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False
            )
        return torch.stack([*taken[:-1], output.last_hidden_state[rows, positions]], dim=1)

    @contextmanager
    def _reading(self, rows: Tensor, positions: Tensor) -> Iterator[list[Tensor]]:
        taken: list[Tensor] = []

        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            taken.append(hidden[rows, positions])

        handles = [layer.register_forward_hook(hook) for layer in self._layers]
        try:
            yield taken
        finally:
            for handle in handles:
                handle.remove()


def open_layers(files: TrunkFiles, settings: Settings) -> LayerStates:
    """The layers of an opened model: packed where it can be, else hooked.

    Raises:
        ConfigError: read so, its states are not the model's own, or depend on later tokens.
    """
    if files.open.packed is not None:
        packed = PackedLayers(
            files.model, deterministic=settings.deterministic, compile=settings.compile
        )
        # Eager attention is the model's definition, see `packed.self_check`.
        with attention_in(files.model.base_model.config, "eager"):
            trouble = _difference(files, packed)
        if trouble is None:
            return packed
        why = f"padded: {trouble}"
    else:
        why = files.open.engine
    padding = files.tokenizer.pad_token_id
    hooked = HookedLayers(
        files.model,
        why,
        padding=padding if padding is not None and padding < files.vocabulary else 0,
        token_budget=1 if settings.deterministic else settings.token_budget,
    )
    if trouble := _difference(files, hooked):
        raise ConfigError(f"{files.directory}: cannot be read layer by layer: {trouble}")
    return hooked


@torch.inference_mode()
def _difference(files: TrunkFiles, layers: LayerStates) -> str | None:
    """How states read from part of a text differ from the model's own for the whole of it."""
    whole = np.random.default_rng(0).integers(0, files.vocabulary, 12)
    reads = np.array([2, 7])
    (batch,) = plan([group_by_prefix([whole[:8]], [reads])], 12, share_prefix=False)
    ids = torch.from_numpy(whole)[None].to(files.model.device)
    try:
        ours = layers.states(batch).float()
        output = files.model.base_model(input_ids=ids, use_cache=False, output_hidden_states=True)
        own = torch.stack([states[0, reads] for states in output.hidden_states[1:]], dim=1).float()
    except Exception as error:
        return one_line(error)
    if ours.shape != own.shape:
        return f"its states are {tuple(ours.shape)}, the model's own {tuple(own.shape)}"
    relative = float((ours - own).norm() / own.norm())
    allowed = _TOLERANCES.get(files.model.dtype, 1e-3)
    if not relative <= allowed:
        return f"its states differ by {relative:.1e} from the model's own (> {allowed:.0e})"
    return None
