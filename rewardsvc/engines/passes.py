"""Runs token sequences through a model in packed micro-batches, and keeps failures apart.

Imports torch: used only inside an engine process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rewardsvc.engines.loading import Settings, one_line
from rewardsvc.engines.packed.layout import MicroBatch, TokenGroup, group_by_prefix, plan
from rewardsvc.engines.packed.trunk import PackedTrunk
from rewardsvc.engines.padded import PaddedTrunk, has_linear_head
from rewardsvc.errors import ConfigError

__all__ = ["Compute", "OpenTrunk", "TokenSequence", "Trunk", "open_trunk", "run_sequences"]


class Trunk(Protocol):
    """A model without its head: hidden states where they are wanted."""

    def hidden(self, batch: MicroBatch) -> Tensor:
        """Hidden states after the final norm, (reads, hidden), in the order of the reads."""


@dataclass(frozen=True, slots=True)
class OpenTrunk:
    """A trunk, and how it is run."""

    trunk: Trunk
    engine: str
    """`packed`, or `padded: ` and why."""

    @property
    def packed(self) -> PackedTrunk | None:
        """The packed trunk; None where it is padded."""
        return self.trunk if isinstance(self.trunk, PackedTrunk) else None


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """Token ids, and the ascending positions whose hidden states are wanted.

    Sequences with the same `group` are likely to begin alike.
    """

    ids: list[int]
    reads: Sequence[int]
    group: int


Compute = Callable[[MicroBatch, NDArray[np.int64]], Tensor]
"""What a model makes of a micro-batch: a tensor whose first dimension is the reads', given
the index of each read's sequence."""


def open_trunk(model: Any, settings: Settings, padding: int, *, classifier: bool) -> OpenTrunk:
    """The packed trunk of a model, or the padded one where it cannot be packed.

    `padding` is any token id of the model. A `classifier` without a linear head gives its
    logits in place of hidden states.
    """
    logits = classifier and not has_linear_head(model)
    try:
        if logits:
            raise ConfigError(f"{type(model).__name__}: its head is not one linear layer `score`")
        packed = PackedTrunk(model, deterministic=settings.deterministic, compile=settings.compile)
    except ConfigError as error:
        padded = PaddedTrunk(
            model,
            padding=padding,
            token_budget=settings.token_budget,
            logits=logits,
            alone=settings.deterministic,
        )
        return OpenTrunk(padded, f"padded: {error.message}")
    return OpenTrunk(packed, "packed")


def run_sequences(
    sequences: Sequence[TokenSequence],
    compute: Compute,
    *,
    token_budget: int,
    share_prefix: bool,
) -> tuple[list[NDArray[np.float64]], dict[int, str]]:
    """What `compute` says at the reads of each sequence, and why it failed on some.

    Returns arrays whose first dimension is the sequence's reads, in order (empty where it
    failed), and the reasons of failures by sequence.
    """
    groups, members = _grouped(sequences, share_prefix)
    done: list[tuple[NDArray[np.int64], Tensor]] = []
    failures: dict[int, str] = {}
    for batch in plan(groups, token_budget, share_prefix=share_prefix):
        owners = _owners(batch, members)
        try:
            done.append((owners, compute(batch, owners)))
        except Exception as error:
            # One sequence may be at fault: the others are still owed a result.
            alone = dict.fromkeys(owners.tolist())
            if len(alone) == 1:
                failures.update(dict.fromkeys(alone, one_line(error)))
                continue
            for index in alone:
                try:
                    done.append(_alone(index, sequences[index], compute))
                except Exception as single:
                    failures[index] = one_line(single)
    return _collect(len(sequences), done), failures


def _alone(
    index: int, sequence: TokenSequence, compute: Compute
) -> tuple[NDArray[np.int64], Tensor]:
    (batch,) = plan([_group([sequence])], max(1, len(sequence.ids)), share_prefix=False)
    owners = np.full(len(batch.read_rows), index, dtype=np.int64)
    return owners, compute(batch, owners)


def _grouped(
    sequences: Sequence[TokenSequence], share_prefix: bool
) -> tuple[list[TokenGroup], list[NDArray[np.int64]]]:
    """Groups for the plan, and of each group its sequences' indices."""
    by_group: dict[int, list[int]] = {}
    for index, sequence in enumerate(sequences):
        by_group.setdefault(sequence.group if share_prefix else index, []).append(index)
    chosen = list(by_group.values())
    groups = [_group([sequences[index] for index in indices]) for indices in chosen]
    return groups, [np.array(indices, dtype=np.int64) for indices in chosen]


def _group(sequences: Sequence[TokenSequence]) -> TokenGroup:
    return group_by_prefix(
        [sequence.ids for sequence in sequences],
        [np.asarray(sequence.reads, dtype=np.int64) for sequence in sequences],
    )


def _owners(batch: MicroBatch, members: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    starts = np.cumsum([0, *(len(indices) for indices in members)])
    flat = np.concatenate(members)
    owners: NDArray[np.int64] = flat[starts[batch.read_groups] + batch.read_sequences]
    return owners


def _collect(
    count: int, done: Sequence[tuple[NDArray[np.int64], Tensor]]
) -> list[NDArray[np.float64]]:
    if not done:
        return [np.empty(0)] * count
    owners = np.concatenate([which for which, _ in done])
    values = np.concatenate([tensor.double().cpu().numpy() for _, tensor in done])
    order = np.argsort(owners, kind="stable")
    bounds = np.searchsorted(owners[order], np.arange(count + 1))
    ordered = values[order]
    return [ordered[a:b] for a, b in pairwise(bounds)]
