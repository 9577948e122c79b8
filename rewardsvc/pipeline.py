"""A reward at work: sends groups to its scorers' batchers, waits, and assembles results."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from rewardsvc.aggregate.combination import range_of
from rewardsvc.assembly import Circumstances, Part, Recipe, assemble
from rewardsvc.batching.batcher import Batcher
from rewardsvc.batching.ticket import Ticket
from rewardsvc.errors import DeadlineExceeded, InvalidRequest, QueueFull
from rewardsvc.scorers.scorer import Scorer
from rewardsvc.shaping import ConfidenceFormat, StatedConfidence, read_confidence
from rewardsvc.types import (
    Group,
    Monitor,
    Result,
    RewardDescription,
    ScoreOptions,
    ScorerDescription,
)
from rewardsvc.versions import version_of

_SHARE_KEPT_FOR_ANSWERING = 0.05
_MOST_KEPT_FOR_ANSWERING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ScorerSlot:
    """A running scorer and the batcher in front of it, shared by the rewards that use it."""

    scorer: Scorer
    batcher: Batcher


class Watcher(Protocol):
    """Sees every result of a reward after it was made; must be quick and must not raise."""

    def observe(self, groups: Sequence[Group], results: Sequence[Sequence[Result]]) -> None:
        """Takes note of some results."""

    def monitors(self) -> Sequence[Monitor]:
        """What it watches, as the reward's description shows it."""


@runtime_checkable
class Monitored(Protocol):
    """A scorer that watches itself, such as a judge with canaries."""

    def monitors(self) -> Sequence[Monitor]:
        """Its figures as they stand."""


class RewardPipeline:
    """One named reward. Its slots are in the order of the recipe's parts."""

    def __init__(
        self,
        name: str,
        description: str,
        recipe: Recipe,
        slots: Sequence[ScorerSlot],
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self.name = name
        self.recipe = recipe
        self.needs_reference = any(slot.scorer.needs_reference for slot in slots)
        self._text = description
        self._slots = tuple(slots)
        self._watchers = tuple(watchers)
        self._attributes: frozenset[str] = frozenset()
        self._versions: dict[str, str] = {}
        self.refresh()

    @property
    def description(self) -> RewardDescription:
        """The reward as `GetReward` shows it, with all that changes while serving."""
        return replace(self._describe(), monitors=self.monitors())

    def monitors(self) -> tuple[Monitor, ...]:
        """What is watched against reward hacking, as it stands."""
        found = [m for watcher in self._watchers for m in watcher.monitors()]
        for part, slot in zip(self.recipe.parts, self._slots, strict=True):
            if isinstance(slot.scorer, Monitored):
                found += [replace(m, scorer=part.name) for m in slot.scorer.monitors()]
        return tuple(found)

    def refresh(self) -> None:
        """Takes over versions that are known only after loading, or that have changed."""
        self._describe()

    async def score(
        self,
        groups: Sequence[Group],
        options: ScoreOptions,
        seconds_left: float | None,
        *,
        wait_for_room: bool = False,
    ) -> tuple[list[list[Result]], Mapping[str, str]]:
        """Scores some groups; one list of results a group, in order, and what made them.

        With `seconds_left`, samples that are not done shortly before then come back with
        status TIMEOUT, so that the others still reach the caller in time.

        Raises QueueFull (unless `wait_for_room`, which waits instead), DeadlineUnreachable,
        and InvalidRequest for options that this reward does not take.
        """
        if options.attribute_weights:
            self._check_attributes(options.attribute_weights)
        deadline = None
        if seconds_left is not None:
            kept = min(seconds_left * _SHARE_KEPT_FOR_ANSWERING, _MOST_KEPT_FOR_ANSWERING_SECONDS)
            deadline = asyncio.get_running_loop().time() + seconds_left - kept
        stated = None
        sent: Sequence[Group] = groups
        if self.recipe.stated_confidence is not None:
            stated = _statements(groups, self.recipe.stated_confidence)
            sent = _without_statements(groups, stated)
        tickets = await self._submit(sent, options.tenant or "default", deadline, wait_for_room)
        try:
            for ticket in tickets:
                await ticket.wait(deadline)
            scores = [ticket.results() for ticket in tickets]
        finally:
            for ticket in tickets:
                ticket.cancel()
        versions = dict(self._versions)
        results = assemble(
            self.recipe,
            groups,
            scores,
            versions,
            Circumstances(
                options.batch_id,
                options.attribute_weights,
                None
                if stated is None
                else [[statement.probability for statement in each] for each in stated],
            ),
        )
        if stated is not None:
            _place_steps_as_sent(results, stated)
        for watcher in self._watchers:
            watcher.observe(groups, results)
        return results, versions

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

    def _check_attributes(self, weights: Mapping[str, float]) -> None:
        if not self._attributes:
            raise InvalidRequest.field(
                "options.attribute_weights",
                f"are given, but reward {self.name!r} has no attributes, or an objective other "
                "than the mean over the attributes of several members",
            )
        for name in weights:
            if name not in self._attributes:
                raise InvalidRequest.field(
                    f"options.attribute_weights[{name!r}]",
                    f"is no attribute of reward {self.name!r}; "
                    f"there are: {', '.join(sorted(self._attributes))}",
                )

    def _describe(self) -> RewardDescription:
        recipe = self.recipe
        weights = np.array([part.weight for part in recipe.parts])
        descriptions, ranges, warnings = [], [], []
        self._versions = {}
        attributes: list[frozenset[str]] = []
        for part, slot in zip(recipe.parts, self._slots, strict=True):
            description = replace(slot.scorer.describe(), name=part.name, weight=part.weight)
            self._versions[f"scorer/{part.name}"] = description.version
            description, scale, warning = self._calibrated(part, slot, description)
            descriptions.append(description)
            ranges.append(scale)
            warnings += warning
            names = description.properties.get("attributes", "")
            if names and (description.objective in ("", "mean") or len(description.members) < 2):
                attributes.append(frozenset(name.strip() for name in names.split(",")))
        self._attributes = frozenset.intersection(*attributes) if attributes else frozenset()
        version = version_of(
            "reward",
            repr((recipe.combination, recipe.confidence_from, recipe.confidence_rule)),
            repr((recipe.abstain_below, recipe.stated_confidence, recipe.shaping)),
            *(f"{part.name}={part.weight!r} {part.shaping!r}" for part in recipe.parts),
            *(f"{name}={version}" for name, version in sorted(self._versions.items())),
        )
        self._versions["reward"] = version
        minimum, maximum = range_of(recipe.combination, ranges, weights)
        for shaper in recipe.shaping:
            minimum, maximum = shaper.range_after(minimum, maximum)
        calibrated = (
            len(recipe.parts) == 1
            and not recipe.shaping
            and replace(recipe.parts[0], calibrators=None).is_plain
            and descriptions[0].calibration != ""
        )
        noises = [part.noise.current() for part in recipe.parts if part.noise is not None]
        shaping = [
            *(f"{part.name}: {_kind(shaper)}" for part in recipe.parts for shaper in part.shaping),
            *(_kind(shaper) for shaper in recipe.shaping),
        ]
        return RewardDescription(
            self.name,
            self._text,
            version,
            tuple(descriptions),
            minimum,
            maximum,
            "probability" if calibrated else f"{self.name}/{version}",
            calibrated,
            self.needs_reference,
            noises[0] if len(noises) == 1 else None,
            recipe.do_not_group_normalise,
            tuple(shaping),
            recipe.needs_whole_groups,
            (),
            tuple(warnings),
        )

    def _calibrated(
        self, part: Part, slot: ScorerSlot, description: ScorerDescription
    ) -> tuple[ScorerDescription, tuple[float | None, float | None], list[str]]:
        """The scorer's description with its calibrator, the range of its part, and warnings."""
        scale = slot.scorer.range
        warnings: list[str] = []
        if part.calibrators is not None:
            scale = 0.0, 1.0
            calibrator = part.calibrators.in_force("")
            if calibrator is None:
                warnings.append(f"{part.name}: no calibrator has been fitted; samples abstain")
            else:
                description = replace(description, calibration=calibrator.method)
                self._versions[f"calibrator/{part.name}"] = calibrator.version
                warnings += [f"{part.name}: {w}" for w in getattr(calibrator, "warnings", ())]
        if part.noise is not None:
            noise = part.noise.current()
            if noise is not None and noise.version:
                self._versions[f"noise/{part.name}"] = noise.version
            if part.noise.changes_rewards:
                scale = None, None
        for shaper in part.shaping:
            scale = shaper.range_after(*scale)
        return description, scale, warnings


def _kind(shaper: object) -> str:
    return str(getattr(shaper, "kind", ""))


def _statements(groups: Sequence[Group], form: ConfidenceFormat) -> list[list[StatedConfidence]]:
    return [
        [
            read_confidence(response.text, form)
            if isinstance(response.text, str)
            else StatedConfidence(None, "")
            for response in group.responses
        ]
        for group in groups
    ]


def _without_statements(
    groups: Sequence[Group], stated: Sequence[Sequence[StatedConfidence]]
) -> list[Group]:
    """The groups as the scorers are to see them: the statements are about them, not for them."""
    return [
        replace(
            group,
            responses=tuple(
                replace(response, text=statement.text) if statement.removed else response
                for response, statement in zip(group.responses, statements, strict=True)
            ),
        )
        for group, statements in zip(groups, stated, strict=True)
    ]


def _place_steps_as_sent(
    results: Sequence[Sequence[Result]], stated: Sequence[Sequence[StatedConfidence]]
) -> None:
    for group, statements in zip(results, stated, strict=True):
        for result, statement in zip(group, statements, strict=True):
            if statement.removed and result.steps:
                result.steps = tuple(
                    replace(
                        step,
                        start=statement.as_sent(step.start),
                        end=statement.as_sent(step.end - 1) + 1 if step.end else 0,
                    )
                    for step in result.steps
                )
