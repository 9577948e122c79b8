"""Runs the steps of shaping over one group and keeps the account of each.

What holds for every kind is enforced here: a response without a reward never gets one, a
reward that stops being a finite number is taken away with a reason, and an incomplete group
gets no reward from shaping that looks at whole groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.view import Array, GroupView
from rewardsvc.types import ShapingTerm

__all__ = ["Account", "shape_group"]


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What shaping made of one group."""

    rewards: Array
    """Shape (responses,); NaN where there is no reward."""
    terms: tuple[tuple[ShapingTerm, ...], ...]
    """Every step's account of each response."""
    reasons: Mapping[int, str]
    """Why a response, by its place, lost its reward."""
    steps: tuple[Array, ...] = ()
    """Step rewards of each response, where a step of shaping made them."""


def shape_group(shapers: Sequence[Shaper], group: GroupView, missing: int = 0) -> Account:
    """Applies the shapers in order; `missing` responses of the group are not here."""
    terms: list[list[ShapingTerm]] = [[] for _ in range(len(group))]
    reasons: dict[int, str] = {}
    steps: tuple[Array, ...] = ()
    for shaper in shapers:
        name = str(getattr(shaper, "kind", type(shaper).__name__))
        before = group.rewards
        if missing and shaper.is_group_wise:
            rewards = np.full(len(group), np.nan)
            values: Mapping[str, Array] = {}
            why = f"{name} needs the whole group, of which {missing} responses are missing"
            lost = {int(k): why for k in np.flatnonzero(np.isfinite(before))}
            note = why
        else:
            with np.errstate(all="ignore"):
                shaped = shaper.shape(group)
            rewards = np.where(np.isfinite(before), shaped.rewards, np.nan)
            for place in shaped.reasons:
                rewards[place] = np.nan
            rewards[~np.isfinite(rewards)] = np.nan
            values, note = shaped.values, shaped.note
            steps = shaped.steps or steps
            lost = {
                int(k): f"{name}: {shaped.reasons.get(int(k), 'gave no finite number')}"
                for k in np.flatnonzero(np.isfinite(before) & np.isnan(rewards))
            }
        for place in range(len(group)):
            terms[place].append(
                ShapingTerm(
                    name,
                    _number(before[place]),
                    _number(rewards[place]),
                    {
                        key: float(column[place])
                        for key, column in values.items()
                        if isfinite(column[place])
                    },
                    lost.get(place, note),
                )
            )
        reasons.update(lost)
        group = replace(group, rewards=rewards)
    return Account(group.rewards, tuple(tuple(each) for each in terms), reasons, steps)


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None
