"""The moving mean of rewards over training batches: the only state in shaping.

    m ← α · mean(batch) + (1 − α) · m

Updated once a batch, when the next batch begins, so every group of a batch is shaped by the
same m: the mean over the batches before it (Leng et al., arXiv 2410.09724, use α = 0.1 and
start at the reward model's mean). A batch is known by the `batch_id` of the request; without
batch ids m stays where it starts, and the description of the reward says so. The state
belongs to one replica: trainers that spread a batch over replicas give each a sample of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from rewardsvc.shaping.view import Array

__all__ = ["MovingMean"]


@dataclass(slots=True)
class _State:
    value: float
    batch_id: str = ""
    total: float = 0.0
    count: int = 0
    finished: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class MovingMean(BaseModel):
    """Settings and state of a moving mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: float = Field(0.0, allow_inf_nan=False, description="m before the first batch.")
    rate: float = Field(0.1, gt=0, le=1, description="α.")
    _state: _State = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        """Starts the state."""
        self._state = _State(self.start)

    @property
    def value(self) -> float:
        """m as it is now."""
        return self._state.value

    def observe(self, batch_id: str, rewards: Array) -> float:
        """Counts a group's rewards towards its batch and returns the m that shapes it.

        A group of an earlier batch that arrives late is shaped by the m of now and not
        counted. NaN rewards are not counted.
        """
        state = self._state
        with state.lock:
            if not batch_id or batch_id in state.finished:
                return state.value
            if batch_id != state.batch_id:
                if state.count:
                    mean = state.total / state.count
                    state.value += self.rate * (mean - state.value)
                if state.batch_id:
                    if len(state.finished) >= 1024:
                        state.finished.clear()
                    state.finished.add(state.batch_id)
                state.batch_id, state.total, state.count = batch_id, 0.0, 0
            scored = rewards[np.isfinite(rewards)]
            state.total += float(scored.sum())
            state.count += len(scored)
            return state.value
