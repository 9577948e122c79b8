"""Weighs groups in tokens; what cannot be weighed is an error of its own samples only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from rewardsvc.batching.checking import shortened
from rewardsvc.types import Group

logger = logging.getLogger(__name__)

Weigh: TypeAlias = Callable[[Group], Sequence[int]]
"""Tokens of the prompt, followed by tokens of each response."""


def weigh_all(name: str, weigh: Weigh, groups: Sequence[Group]) -> list[Sequence[int] | str]:
    """For each group its weights, or the reason why it has none; logs the first such case."""
    weights: list[Sequence[int] | str] = []
    raised = False
    for group in groups:
        try:
            weight = weigh(group)
            if len(weight) != len(group.responses) + 1 or min(weight) < 0:
                raise ValueError(f"weights {weight!r} for {len(group.responses)} responses")
            weights.append(weight)
        except Exception as error:
            if not raised:
                logger.exception("scorer %r could not weigh a group", name)
            raised = True
            weights.append(f"scorer {name!r} could not weigh it: {shortened(error)}")
    return weights
