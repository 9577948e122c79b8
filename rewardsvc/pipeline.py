"""A reward at work: sends groups to its scorers' batchers, waits, and assembles results."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rewardsvc.aggregate.combination import range_of
from rewardsvc.assembly import Recipe, assemble
from rewardsvc.batching.batcher import Batcher
from rewardsvc.batching.ticket import Ticket
from rewardsvc.errors import DeadlineExceeded, InvalidRequest, QueueFull
from rewardsvc.scorers.scorer import Scorer
from rewardsvc.types import Group, Result, RewardDescription, ScoreOptions
from rewardsvc.versions import version_of

_SHARE_KEPT_FOR_ANSWERING = 0.05
_MOST_KEPT_FOR_ANSWERING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ScorerSlot:
    """A running scorer and the batcher in front of it, shared by the rewards that use it."""

    scorer: Scorer
    batcher: Batcher


class RewardPipeline:
    """One named reward. Its slots are in the order of the recipe's parts."""

    def __init__(
        self, name: str, description: str, recipe: Recipe, slots: Sequence[ScorerSlot]
    ) -> None:
        self.name = name
        self.needs_reference = any(slot.scorer.needs_reference for slot in slots)
        self._text = description
        self._recipe = recipe
        self._slots = tuple(slots)
        self.versions: dict[str, str] = {}
        self.description = self._describe()

    def refresh(self) -> None:
        """Takes over the scorers' versions, which some know only after loading."""
        self.description = self._describe()

    async def score(
        self,
        groups: Sequence[Group],
        options: ScoreOptions,
        seconds_left: float | None,
        *,
        wait_for_room: bool = False,
    ) -> list[list[Result]]:
        """Scores some groups; one list of results a group, in order.

        With `seconds_left`, samples that are not done shortly before then come back with
        status TIMEOUT, so that the others still reach the caller in time.

        Raises QueueFull (unless `wait_for_room`, which waits instead), DeadlineUnreachable,
        and InvalidRequest for options that this reward does not take.
        """
        if options.attribute_weights:
            raise InvalidRequest.field(
                "options.attribute_weights",
                f"are given, but reward {self.name!r} has no attributes",
            )
        deadline = None
        if seconds_left is not None:
            kept = min(seconds_left * _SHARE_KEPT_FOR_ANSWERING, _MOST_KEPT_FOR_ANSWERING_SECONDS)
            deadline = asyncio.get_running_loop().time() + seconds_left - kept
        tickets = await self._submit(groups, options.tenant or "default", deadline, wait_for_room)
        try:
            for ticket in tickets:
                await ticket.wait(deadline)
            scores = [ticket.results() for ticket in tickets]
        finally:
            for ticket in tickets:
                ticket.cancel()
        return assemble(self._recipe, groups, scores, self.versions)

    async def _submit(
        self, groups: Sequence[Group], tenant: str, deadline: float | None, wait_for_room: bool
    ) -> list[Ticket]:
        while True:
            tickets: list[Ticket] = []
            try:
                for slot in self._slots:
                    full = slot.batcher
                    tickets.append(full.submit(groups, tenant=tenant, deadline=deadline))
            except BaseException as error:
                for ticket in tickets:
                    ticket.cancel()
                if not (wait_for_room and isinstance(error, QueueFull)):
                    raise
            else:
                return tickets
            try:
                async with asyncio.timeout_at(deadline):
                    await full.room()
            except TimeoutError:
                raise DeadlineExceeded("the deadline passed while waiting for room") from None

    def _describe(self) -> RewardDescription:
        recipe, parts = self._recipe, self._recipe.parts
        weights = np.array([part.weight for part in parts])
        scorers, ranges = [], []
        self.versions = {}
        for part, slot in zip(parts, self._slots, strict=True):
            calibrator = part.calibrator
            description = replace(slot.scorer.describe(), name=part.name, weight=part.weight)
            self.versions[f"scorer/{part.name}"] = description.version
            if calibrator is not None:
                description = replace(description, calibration=calibrator.method)
                self.versions[f"calibrator/{part.name}"] = calibrator.version
            scorers.append(description)
            ranges.append((0.0, 1.0) if calibrator is not None else slot.scorer.range)
        version = version_of(
            "reward",
            recipe.combination,
            recipe.confidence_from or "",
            *(f"{part.name}={part.weight!r}" for part in parts),
            *(f"{name}={version}" for name, version in sorted(self.versions.items())),
        )
        self.versions["reward"] = version
        minimum, maximum = range_of(recipe.combination, ranges, weights)
        calibrated = len(parts) == 1 and parts[0].calibrator is not None and parts[0].weight == 1
        return RewardDescription(
            self.name,
            self._text,
            version,
            tuple(scorers),
            minimum,
            maximum,
            "probability" if calibrated else f"{self.name}/{version}",
            calibrated,
            self.needs_reference,
        )
