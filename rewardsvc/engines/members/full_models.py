"""K full models, alike or of different architectures, each with a tokenizer of its own.

The dearest ensemble and the most diverse: K times the cost of one model.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rewardsvc.engines.loading import Settings, load_classifier
from rewardsvc.engines.members.member_set import (
    MemberSet,
    Source,
    TrunkFiles,
    apply_head,
    check_outputs,
    open_files,
)
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.padded import has_linear_head
from rewardsvc.errors import ConfigError

__all__ = ["head_of", "load_full_model", "load_full_models"]


def load_full_models(source: Source, settings: Settings) -> list[MemberSet]:
    """One set a model directory."""
    return [
        _member(
            load_full_model(Path(directory), source.outputs, settings), source.outputs, settings
        )
        for directory in source.directories
    ]


def load_full_model(directory: Path, outputs: int, settings: Settings) -> TrunkFiles:
    """A sequence classifier with `outputs` labels; ConfigError says what is wrong with one."""
    model = load_classifier(directory, settings)
    check_outputs(directory / "config.json", int(model.config.num_labels), outputs)
    return open_files(directory, model, settings, classifier=True)


def head_of(model: Any) -> nn.Module:
    """The linear head of a classifier, in float32."""
    head: nn.Module = copy.deepcopy(model.score)
    return head.float().eval()


def _member(files: TrunkFiles, outputs: int, settings: Settings) -> MemberSet:
    if not has_linear_head(files.model):
        head: nn.Module = nn.Identity()
    else:
        head = head_of(files.model)
        _check_head(files, head)

    def forward(batch: MicroBatch) -> Tensor:
        return apply_head(head, files.open.trunk.hidden(batch), settings)[:, None]

    return MemberSet(files, 1, outputs, forward, {})


def _check_head(files: TrunkFiles, head: nn.Module) -> None:
    """Refuses a model whose own forward makes more of a hidden state than its head does."""
    model = files.model
    other = next(i for i in range(files.vocabulary) if i != model.config.pad_token_id)
    ids = torch.full((1, 3), other, device=model.device)
    with torch.inference_mode():
        own = model(input_ids=ids).logits[0].float()
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0, -1]
        ours = head(hidden.float())
    scale = float(own.abs().max())
    if math.isfinite(scale) and not torch.allclose(own, ours, rtol=0, atol=0.05 * scale):
        raise ConfigError(
            f"{files.directory}: its score is not its head's output at the last token "
            f"({own.tolist()} against {ours.tolist()})"
        )
