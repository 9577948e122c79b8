"""K members off one model: Monte-Carlo dropout in its top layers, with its own head.

The masks belong to the text and the seed, so that a text has the same scores whatever it is
batched with. The layers below those that drop are computed once: with dropout in the top m of
L layers the cost is (L - m + K m) / L of one model. A model that was trained without dropout
was not trained to be an ensemble: the spread of its members is then a heuristic.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from rewardsvc.engines.loading import Settings
from rewardsvc.engines.members.full_models import head_of, load_full_model
from rewardsvc.engines.members.member_set import MemberSet, Source, apply_head
from rewardsvc.engines.packed.dropout import ResidualDropout
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.errors import ConfigError

__all__ = ["load_dropout"]

_SHARE = 4
"""One in four layers drops units, at the top, unless told otherwise."""


def load_dropout(source: Source, settings: Settings) -> list[MemberSet]:
    """One set with all members.

    Raises:
        ConfigError: the model cannot be used, or cannot be packed.
    """
    files = load_full_model(Path(source.directories[0]), source.outputs, settings)
    packed = files.open.packed
    if packed is None:
        raise ConfigError(
            f"{files.directory}: dropout members need a model that can be packed, but it is "
            f"{files.open.engine}"
        )
    layers = source.layers or -(-packed.layers // _SHARE)
    if layers > packed.layers:
        raise ConfigError(
            f"dropout_layers: {layers} is more than the {packed.layers} layers of {files.directory}"
        )
    head = head_of(files.model)
    # The model's own seed space: neighbouring ensemble seeds share no masks.
    seeds = [source.seed * 1_000_003 + member for member in range(source.samples)]
    branches = [ResidualDropout(seed, source.rate) for seed in seeds]

    def forward(batch: MicroBatch) -> Tensor:
        states = packed.branches(batch, branches, packed.layers - layers)
        return torch.stack([apply_head(head, hidden, settings) for hidden in states], dim=1)

    facts = {"dropout": f"{source.rate:g} in {layers} of {packed.layers} layers"}
    return [MemberSet(files, source.samples, source.outputs, forward, facts)]
