"""K heads on one shared trunk: the cost of one model, and the least diverse members.

A head is a safetensors file. Linear: `weight` (outputs, hidden) and perhaps `bias` (outputs,).
MLP: `layers.0.weight` (width, hidden), `layers.0.bias`, `layers.1.weight`, …, whose last has
`outputs` rows, and the metadata `activation`: relu, gelu, silu or tanh, applied between the
layers. Every name may be preceded by `score.`. The head reads the trunk's hidden state after
the final norm, at the last token, in float32.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from rewardsvc.engines.loading import Settings, load_decoder, one_line
from rewardsvc.engines.members.member_set import (
    MemberSet,
    Source,
    apply_head,
    check_outputs,
    open_files,
)
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.errors import ConfigError

__all__ = ["load_heads", "read_head"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
_NAME = re.compile(r"(?:layers\.(\d{1,3})\.)?(weight|bias)")


def load_heads(source: Source, settings: Settings) -> list[MemberSet]:
    """One set with all heads.

    Raises:
        ConfigError: names the file, and what is wrong with it.
    """
    directory = Path(source.directories[0])
    files = open_files(directory, load_decoder(directory, settings), settings)
    width = int(files.model.config.get_text_config().hidden_size)
    heads = [read_head(Path(part), width, source.outputs) for part in source.parts]
    for head in heads:
        head.to(settings.torch_device)

    def forward(batch: MicroBatch) -> Tensor:
        hidden = files.open.trunk.hidden(batch)
        return torch.stack([apply_head(head, hidden, settings) for head in heads], dim=1)

    return [MemberSet(files, len(heads), source.outputs, forward, {})]


def read_head(path: Path, hidden: int, outputs: int) -> nn.Module:
    """The head in a file, for hidden states of size `hidden`; ConfigError where it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            tensors = {name: file.get_tensor(name).float() for name in names}
    except Exception as error:
        raise ConfigError(f"{path}: cannot be read as safetensors: {one_line(error)}") from error
    layers: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name.removeprefix("score."))
        if match is None:
            raise ConfigError(
                f"{path}: unknown tensor {name!r}; allowed: weight, bias, layers.N.weight and "
                "layers.N.bias"
            )
        if not torch.isfinite(tensor).all():
            raise ConfigError(f"{path}: {name} has values that are not finite")
        layers.setdefault(int(match[1] or 0), {})[match[2]] = tensor
    if not layers or sorted(layers) != list(range(len(layers))):
        raise ConfigError(f"{path}: layers must be numbered from 0, not {sorted(layers)}")
    activation = metadata.get("activation")
    if len(layers) > 1 and activation not in _ACTIVATIONS:
        raise ConfigError(
            f"{path}: metadata activation: is {activation!r}; allowed: {', '.join(_ACTIVATIONS)}"
        )
    modules: list[nn.Module] = []
    for number in range(len(layers)):
        if modules:
            modules.append(_ACTIVATIONS[str(activation)]())
        modules.append(_linear(path, number, layers[number], hidden))
        hidden = int(layers[number]["weight"].shape[0])
    check_outputs(path, hidden, outputs)
    return nn.Sequential(*modules).eval()


def _linear(path: Path, number: int, tensors: dict[str, Tensor], inputs: int) -> nn.Linear:
    weight, bias = tensors.get("weight"), tensors.get("bias")
    if weight is None or weight.ndim != 2 or weight.shape[1] != inputs:
        shape = None if weight is None else tuple(weight.shape)
        raise ConfigError(
            f"{path}: layer {number}: weight must have shape (outputs, {inputs}), not {shape}"
        )
    rows = int(weight.shape[0])
    if bias is not None and tuple(bias.shape) != (rows,):
        raise ConfigError(
            f"{path}: layer {number}: bias must have shape ({rows},), not {tuple(bias.shape)}"
        )
    linear = nn.Linear(inputs, rows, bias=bias is not None)
    with torch.no_grad():
        linear.weight.copy_(weight)
        if bias is not None:
            linear.bias.copy_(bias)
    return linear
