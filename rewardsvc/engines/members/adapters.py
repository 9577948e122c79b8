"""K LoRA adapters on one trunk, each with a head of its own: PEFT checkpoints, in safetensors.

Adapters confined to the top m of L layers share the pass through the layers below: the cost
is (L - m + K m) / L of one model. Each adapter's head is the `score` that PEFT saved with it
(`modules_to_save`), else the trunk's own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import safe_open
from torch import Tensor, nn

from rewardsvc.engines.loading import Settings, load_classifier, one_line
from rewardsvc.engines.members.member_set import (
    MemberSet,
    Source,
    apply_head,
    check_outputs,
    open_files,
)
from rewardsvc.engines.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, check_adapter_directory
from rewardsvc.engines.packed.adapters import adapter_branches
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.padded import has_linear_head
from rewardsvc.errors import ConfigError

__all__ = ["load_adapters"]

_HEAD = "base_model.model.score.weight"


def load_adapters(source: Source, settings: Settings) -> list[MemberSet]:
    """One set with all adapters.

    Raises:
        ConfigError: names the adapter, and what is wrong with it.
    """
    directory, parts = Path(source.directories[0]), [Path(part) for part in source.parts]
    for part in parts:
        check_adapter_directory(part)
    heads = [_own_head(part) for part in parts]
    model = load_classifier(
        directory,
        settings,
        outputs=source.outputs,
        head_may_be_missing=all(head is not None for head in heads),
    )
    if not has_linear_head(model):
        raise ConfigError(f"{directory}: its head is not one linear layer `score`")
    chosen = [
        _head(part, model.score.weight if head is None else head, source.outputs).to(
            settings.torch_device
        )
        for part, head in zip(parts, heads, strict=True)
    ]
    names = [f"member_{number}" for number in range(len(parts))]
    adapted = _with_adapters(model, parts, names)
    files = open_files(directory, adapted.get_base_model(), settings, classifier=True)
    packed = files.open.packed
    facts = {}
    if packed is not None:
        branches = adapter_branches(adapted, names)
        shared = branches.from_layer
        facts = {
            "shared_layers": f"{shared} of {packed.layers}",
            "adapters": "merged" if branches.merged else "live",
        }

        def states(batch: MicroBatch) -> list[Tensor]:
            assert packed is not None
            return packed.branches(batch, branches.branches, shared)

    else:

        def states(batch: MicroBatch) -> list[Tensor]:
            hidden = []
            for name in names:
                adapted.set_adapter(name)
                hidden.append(files.open.trunk.hidden(batch))
            return hidden

    def forward(batch: MicroBatch) -> Tensor:
        pairs = zip(chosen, states(batch), strict=True)
        return torch.stack([apply_head(head, hidden, settings) for head, hidden in pairs], dim=1)

    return [MemberSet(files, len(parts), source.outputs, forward, facts)]


def _own_head(part: Path) -> Tensor | None:
    """The head saved with an adapter; refuses tensors that this does not know how to serve."""
    try:
        with safe_open(part / ADAPTER_WEIGHTS, framework="pt") as file:
            names = list(file.keys())
            head = file.get_tensor(_HEAD) if _HEAD in names else None
    except Exception as error:
        raise ConfigError(
            f"{part / ADAPTER_WEIGHTS}: cannot be read as safetensors: {one_line(error)}"
        ) from error
    for name in names:
        if name != _HEAD and not name.endswith((".lora_A.weight", ".lora_B.weight")):
            raise ConfigError(
                f"{part / ADAPTER_WEIGHTS}: tensor {name!r} is neither LoRA's nor the head's "
                f"({_HEAD})"
            )
    return head


def _head(part: Path, weight: Tensor, outputs: int) -> nn.Module:
    check_outputs(part, int(weight.shape[0]), outputs)
    head = nn.Linear(int(weight.shape[1]), outputs, bias=False)
    with torch.no_grad():
        head.weight.copy_(weight)
    return head.eval()


def _with_adapters(model: Any, parts: Sequence[Path], names: Sequence[str]) -> PeftModel:
    adapted: PeftModel | None = None
    for part, name in zip(parts, names, strict=True):
        try:
            with warnings.catch_warnings():
                # Of keys without a place, which `_check_loaded` refuses.
                warnings.simplefilter("ignore")
                if adapted is None:
                    adapted = PeftModel.from_pretrained(model, str(part), adapter_name=name)
                else:
                    adapted.load_adapter(str(part), adapter_name=name)
        except Exception as error:
            raise ConfigError(f"{part}: cannot be put on the trunk: {one_line(error)}") from error
        _check_loaded(adapted, part, name)
    assert adapted is not None
    return adapted.eval()


def _check_loaded(adapted: Any, part: Path, name: str) -> None:
    """Every tensor of the file must have found its place: PEFT only warns."""
    placed = {
        key.replace(f".{name}.", ".")
        for key in adapted.state_dict()
        if f".{name}." in key and ".lora_" in key
    }
    with safe_open(part / ADAPTER_WEIGHTS, framework="pt") as file:
        saved = set(file.keys()) - {_HEAD}
    if placed != saved:
        odd = sorted(placed ^ saved)
        raise ConfigError(
            f"{part}: does not fit the trunk and {ADAPTER_CONFIG}: {', '.join(odd[:3])}"
            f"{' and more' if len(odd) > 3 else ''} only on one side "
            f"(target_modules: {json.dumps(_targets(adapted, name), default=str)})"
        )


def _targets(adapted: Any, name: str) -> Any:
    found = adapted.peft_config[name].target_modules
    return sorted(found) if isinstance(found, set) else found
