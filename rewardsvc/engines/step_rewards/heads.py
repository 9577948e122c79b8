"""What process reward models make of a hidden state: the probability that a step is right.

Heads are read from the checkpoint's safetensors and run in float32; no code of a checkpoint is
executed. Imports torch: used only inside an engine process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from rewardsvc.engines.loading import one_line
from rewardsvc.engines.step_rewards.step_format import Head
from rewardsvc.errors import ConfigError

__all__ = ["class_head", "read_tensors", "token_contrast_head", "two_layer_head", "value_head"]

_LOGIT_CHANGES = ("final_logit_softcapping", "logits_scaling", "logit_scale")


def token_contrast_head(model: Any, good: int, bad: int) -> Head:
    """exp(l_good) / (exp(l_good) + exp(l_bad)) of a causal language model's logits.

    Raises:
        ConfigError: the model changes its logits after the output layer.
    """
    for name in _LOGIT_CHANGES:
        if getattr(model.config, name, None) is not None:
            raise ConfigError(f"{type(model).__name__}: {name} is not supported here")
    layer = model.get_output_embeddings()
    weight = (layer.weight[good] - layer.weight[bad]).float()
    bias = getattr(layer, "bias", None)
    shift = 0.0 if bias is None else float(bias[good] - bias[bad])

    def head(hidden: Tensor) -> Tensor:
        return torch.sigmoid(hidden.float() @ weight + shift)

    return head


def two_layer_head(tensors: dict[str, Tensor]) -> Head:
    """softmax(W2 relu(W1 h + b1) + b2) of two classes; the second is "right"."""
    first, first_bias, second, second_bias = tensors.values()

    def head(hidden: Tensor) -> Tensor:
        inner = functional.relu(functional.linear(hidden.float(), first, first_bias))
        logits = functional.linear(inner, second, second_bias)
        return logits.softmax(dim=-1)[:, 1]

    return head


def value_head(tensors: dict[str, Tensor]) -> Head:
    """sigmoid(w h + b)."""
    weight, bias = tensors.values()

    def head(hidden: Tensor) -> Tensor:
        return torch.sigmoid(functional.linear(hidden.float(), weight, bias)[:, 0])

    return head


def class_head(tensors: dict[str, Tensor], right: Sequence[int]) -> Head:
    """The summed probability of the classes `right` in softmax(W h + b)."""
    weight, bias = tensors.values()
    wanted = list(right)

    def head(hidden: Tensor) -> Tensor:
        probabilities = functional.linear(hidden.float(), weight, bias).softmax(dim=-1)
        return probabilities[:, wanted].sum(dim=-1)

    return head


def read_tensors(
    directory: Path, shapes: dict[str, tuple[int, ...]], device: torch.device
) -> dict[str, Tensor]:
    """Tensors of a checkpoint by name, in the order of `shapes`, in float32.

    Raises:
        ConfigError: one is missing, of another shape, or not finite; names it.
    """
    found: dict[str, Tensor] = {}
    for path in sorted(directory.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for name in shapes.keys() & set(file.keys()):
                    found[name] = file.get_tensor(name).float().to(device)
        except Exception as error:
            raise ConfigError(
                f"{path}: cannot be read as safetensors: {one_line(error)}"
            ) from error
    for name, shape in shapes.items():
        tensor = found.get(name)
        if tensor is None:
            raise ConfigError(f"{directory}: the weights have no {name}; is this its format?")
        if tuple(tensor.shape) != shape:
            raise ConfigError(f"{directory}: {name} must have shape {shape}, not {tensor.shape}")
        if not torch.isfinite(tensor).all():
            raise ConfigError(f"{directory}: {name} has values that are not finite")
    return {name: found[name] for name in shapes}
