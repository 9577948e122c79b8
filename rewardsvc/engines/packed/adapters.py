"""PEFT adapters as branches of the trunk that they were trained on.

An adapter confined to the top m of L layers shares the pass through the layers below with the
others. Merged, each adapted weight W exists once an adapter as W + s B A, and K adapters cost
exactly (L - m + K m) / L of one model; live, memory holds one W and each pass computes
x W + s (x A) B, which costs more time, the more the narrower the model is.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from rewardsvc.engines.packed.branches import Branch, ReplacedLayers
from rewardsvc.engines.packed.decoder import Decoder
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.errors import ConfigError

__all__ = ["AdapterBranches", "LiveAdapter", "adapter_branches", "merged_bytes"]

_SHARE_OF_FREE_MEMORY = 0.5


@dataclass(frozen=True, slots=True)
class AdapterBranches:
    """Branches for `PackedTrunk.branches`, one an adapter, in the order of their names.

    Attributes:
        branches: One an adapter.
        from_layer: The lowest layer that any of the adapters changes.
        merged: Whether the adapters are merged into weights of their own.
    """

    branches: tuple[Branch, ...]
    from_layer: int
    merged: bool


class LiveAdapter(Branch):
    """An adapter that is switched on while its branch runs."""

    changes_own = True

    def __init__(self, model: PeftModel, name: str) -> None:
        self._model = model
        self._name = name

    @contextmanager
    def layers(self, own: Sequence[nn.Module], batch: MicroBatch) -> Iterator[Sequence[nn.Module]]:
        """As `Branch.layers`."""
        before = self._model.active_adapter
        self._model.set_adapter(self._name)
        try:
            yield own
        finally:
            self._model.set_adapter(before)


def adapter_branches(
    model: PeftModel, names: Sequence[str], *, merge: bool | None = None
) -> AdapterBranches:
    """Branches for loaded adapters of a model.

    `merge` None: merged where the merged weights take at most half of the free memory. The
    model's own weights are left as they are in either case.

    Raises:
        ConfigError: an adapter is not loaded, or changes more than decoder layers and the head.
    """
    decoder = Decoder(model)
    changed = [_changed_layers(decoder, name) for name in names]
    from_layer = min((min(layers) for layers in changed), default=len(decoder.layers))
    if merge is None:
        needed = sum(merged_bytes(model, name) for name in names)
        merge = needed <= _SHARE_OF_FREE_MEMORY * _free_memory(decoder.device)
    branches: list[Branch] = []
    for name in names:
        if merge:
            upper = [_merged_layer(layer, name) for layer in decoder.layers[from_layer:]]
            branches.append(ReplacedLayers(upper))
        else:
            branches.append(LiveAdapter(model, name))
    return AdapterBranches(tuple(branches), from_layer, merge)


def merged_bytes(model: PeftModel, name: str) -> int:
    """Memory that merging an adapter takes: the size of the weights it adapts."""
    return sum(
        parameter.numel() * parameter.element_size()
        for layer in Decoder(model).layers
        for module in _adapted(layer, name)
        for parameter in module.get_base_layer().parameters()
    )


def _changed_layers(decoder: Decoder, name: str) -> list[int]:
    inside = {id(m) for layer in decoder.layers for m in layer.modules()}
    for path, module in decoder.base.named_modules():
        if id(module) not in inside and name in _names(module):
            raise ConfigError(f"adapter {name}: changes {path}, which members would not share")
    changed = [i for i, layer in enumerate(decoder.layers) if _adapted(layer, name)]
    if not changed:
        raise ConfigError(f"adapter {name}: is not loaded, or changes no layer")
    return changed


def _adapted(layer: nn.Module, name: str) -> list[Any]:
    return [module for module in layer.modules() if name in _names(module)]


def _names(module: nn.Module) -> set[str]:
    if not isinstance(module, BaseTunerLayer):
        return set()
    return set(module._get_available_adapters())


def _merged_layer(layer: nn.Module, name: str) -> nn.Module:
    """A copy with one adapter merged and without the others; what is not adapted is shared."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in _tensors(layer)}
    for module in layer.modules():
        if (config := getattr(module, "config", None)) is not None:
            # The attention function is looked up there: a copy would not follow the trunk's.
            memo[id(config)] = config
        if not isinstance(module, BaseTunerLayer):
            continue
        if name in _names(module):
            adapted = copy.deepcopy(module)
            adapted.merge(adapter_names=[name])
            memo[id(module)] = adapted.get_base_layer()
        else:
            memo[id(module)] = module.get_base_layer()
    copied: nn.Module = copy.deepcopy(layer, memo)
    return copied


def _tensors(layer: nn.Module) -> Iterator[torch.Tensor]:
    yield from layer.parameters()
    yield from layer.buffers()


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
