"""What is scored together: portions of the submissions of any callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rewardsvc.types import Group

if TYPE_CHECKING:
    from rewardsvc.batching.submission import Submission


class Portion:
    """What one batch holds of one submission: whole groups, or some responses of one."""

    __slots__ = ("indices", "start", "stop", "submission")

    def __init__(
        self,
        submission: Submission,
        indices: Sequence[int],
        start: int | None = None,
        stop: int | None = None,
    ) -> None:
        self.submission = submission
        self.indices = indices
        self.start = start
        """Responses `start:stop` of the only group; None when the groups are whole."""
        self.stop = stop

    def groups(self) -> list[Group]:
        """The groups as the scorer gets them."""
        groups = self.submission.groups
        if self.start is None:
            return [groups[index] for index in self.indices]
        group = groups[self.indices[0]]
        return [replace(group, responses=group.responses[self.start : self.stop])]

    def one_by_one(self) -> list[Portion]:
        """A portion for each of its groups."""
        return [Portion(self.submission, (i,), self.start, self.stop) for i in self.indices]


class Batch:
    """Portions that are scored together."""

    __slots__ = (
        "groups",
        "limit_samples",
        "limit_tokens",
        "portions",
        "samples",
        "started",
        "tokens",
    )

    def __init__(self, limit_tokens: int, limit_samples: int, started: float) -> None:
        self.limit_tokens = limit_tokens
        self.limit_samples = limit_samples
        self.started = started
        self.portions: list[Portion] = []
        self.groups: list[Group] = []
        self.tokens = 0
        self.samples = 0

    def add(self, portion: Portion, tokens: int, samples: int) -> None:
        """Adds a portion of `tokens` and `samples`."""
        self.portions.append(portion)
        self.groups += portion.groups()
        self.tokens += tokens
        self.samples += samples
