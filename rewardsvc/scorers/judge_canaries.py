"""Runs canary probes beside the real work: one at a time, never in a sample's way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from rewardsvc.judging.canaries import CanaryCounts, CanarySchedule, false_positive_rate
from rewardsvc.scorers.judge_settings import CanarySettings
from rewardsvc.types import Monitor

__all__ = ["CanaryProber"]

logger = logging.getLogger(__name__)

Probe = Callable[[str], Awaitable[bool | None]]
"""Asks the judge about a canary: whether it accepts it, or None where it did not say."""


class CanaryProber:
    """Counts which canaries a judge accepts. A probe that fails is not counted."""

    def __init__(
        self,
        name: str,
        settings: CanarySettings | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._schedule = None if settings is None else CanarySchedule(
            settings.every_samples, settings.every_seconds, settings.most_per_hour
        )  # fmt: skip
        self._running: asyncio.Task[None] | None = None
        self.counts = CanaryCounts()

    def judged(self, samples: int, probe: Probe) -> None:
        """Says that samples were judged; starts a probe, where one is due, and returns."""
        if self._schedule is None or self._running is not None:
            return
        canary = self._schedule.due(samples, self._clock())
        if canary is None:
            return
        task = asyncio.get_running_loop().create_task(self._run(canary, probe))
        self._running = task
        task.add_done_callback(self._ended)

    async def idle(self) -> None:
        """Waits for the probe under way, if there is one."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def close(self) -> None:
        """Abandons the probe under way."""
        running = self._running
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    def monitor(self) -> Monitor:
        """The live false-positive rate, with an alarm where its lower end is above the limit."""
        rate = false_positive_rate(self.counts)
        limit = None if self._settings is None else self._settings.alarm_above
        return Monitor(
            "canary_false_positive_rate",
            None if rate is None else rate.estimate,
            self.counts.probes,
            limit,
            rate is not None and limit is not None and rate.lower > limit,
            self._name,
            ""
            if rate is None
            else f"{self.counts.accepted} of {self.counts.probes} worthless responses were "
            f"accepted; 90 % interval {rate.lower:.3g} to {rate.upper:.3g}",
        )

    async def _run(self, canary: str, probe: Probe) -> None:
        accepted = await probe(canary)
        if accepted is None:
            return
        self.counts = CanaryCounts(self.counts.probes + 1, self.counts.accepted + accepted)
        if accepted:
            logger.warning("judge %s accepted the worthless response %r", self._name, canary)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a canary probe of judge %s failed", self._name, exc_info=error)
