"""Keeps noise estimates up to date with the store: after labels, and after batches of audits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial

import structlog
from sqlalchemy import Connection

from rewardsvc.errors import ConfigError, Overloaded, Unavailable
from rewardsvc.labels.estimating import estimate_from_audits, estimate_from_labels, judge_errors
from rewardsvc.noise import AppealRefused, AuditFailed, NoiseEstimate
from rewardsvc.store import Database, audits, labels, noise, revisions
from rewardsvc.store.noise import ScorerKey, StoredNoise

log = structlog.stdlib.get_logger("rewardsvc.labels")

AUDITS_A_BATCH = 100
"""Judged audits before the estimate moves."""
MOST_LABELS = 100_000
"""The newest labels that an estimate looks at."""


class NoiseLearner:
    """Estimates error rates and puts them in force. One instance serves all scorers.

    Args:
        database: Where labels, audits and estimates are.
        changed: Called when a new estimate is in force, e.g. to have the book look at once.
    """

    def __init__(
        self, database: Database, changed: Callable[[], Coroutine[None, None, object]]
    ) -> None:
        self._database = database
        self._changed = changed
        self._running: dict[ScorerKey, asyncio.Task[None]] = {}
        self._again: set[ScorerKey] = set()

    def labels_recorded(self, key: ScorerKey) -> None:
        """Has the labels of a scorer looked at soon; returns at once.

        While one look is under way, any number of calls lead to one more.
        """
        if key in self._running:
            self._again.add(key)
            return
        task = asyncio.create_task(self._from_labels(key))
        self._running[key] = task
        task.add_done_callback(lambda done: self._running.pop(key, None))

    async def settled(self, key: ScorerKey) -> None:
        """Returns when every label that this replica has recorded is in the estimate."""
        while task := self._running.get(key):
            await asyncio.wait([task])

    async def from_audits(self, key: ScorerKey) -> bool:
        """Moves the estimate by the audits that were judged since; returns whether it did.

        Does nothing before there are AUDITS_A_BATCH of them. Audits that do not support an
        estimate wait for the next ones.
        """
        estimate = await self._database.write(partial(_count_audits, key=key))
        if estimate is None:
            return False
        log.info(
            "noise estimate moved by audits",
            reward=key.reward,
            scorer=key.scorer,
            version=estimate.version,
            audits=estimate.labels,
        )
        await self._changed()
        return True

    async def close(self) -> None:
        """Stops looking at labels; idempotent."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _from_labels(self, key: ScorerKey) -> None:
        again = True
        while again:
            self._again.discard(key)
            try:
                await self._look(key)
            except AuditFailed as error:
                log.info("no noise estimate yet", scorer=key.scorer, reason=str(error))
            except (Unavailable, Overloaded) as error:
                log.warning("noise estimate not refreshed", scorer=key.scorer, reason=error.message)
            except Exception:
                log.exception("estimating noise failed", reward=key.reward, scorer=key.scorer)
            again = key in self._again

    async def _look(self, key: ScorerKey) -> None:
        rows = await self._database.read(
            partial(labels.labels_of, reward=key.reward, scorer=key.scorer, limit=MOST_LABELS)
        )
        now = datetime.now(UTC).replace(microsecond=0)
        estimate = await asyncio.to_thread(estimate_from_labels, key.scorer, rows, now)
        await self._database.write(
            partial(noise.put_in_force, estimate=_stored(key, estimate, now))
        )
        await self._changed()


def _count_audits(connection: Connection, key: ScorerKey) -> NoiseEstimate | None:
    """One batch, counted once however many replicas try: the estimate now in force, if any."""
    revisions.hold(connection)
    outcomes = audits.uncounted(connection, key)
    if len(outcomes) < AUDITS_A_BATCH:
        return None
    judge = judge_errors(labels.labels_of(connection, key.reward, key.scorer, limit=MOST_LABELS))
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        estimate = estimate_from_audits(
            key.scorer, outcomes, judge, _in_force(connection, key), now
        )
    except (AuditFailed, AppealRefused) as error:
        log.info("these audits support no estimate yet", scorer=key.scorer, reason=str(error))
        return None
    noise.put_in_force(connection, _stored(key, estimate, now))
    audits.mark_counted(connection, [outcome.id for outcome in outcomes])
    return estimate


def _in_force(connection: Connection, key: ScorerKey) -> NoiseEstimate | None:
    stored = noise.find(connection, key)
    if stored is None:
        return None
    try:
        return NoiseEstimate.from_json(stored.payload)
    except ConfigError as error:
        log.error("the estimate in force cannot be read; it is begun anew", reason=error.message)
        return None


def _stored(key: ScorerKey, estimate: NoiseEstimate, now: datetime) -> StoredNoise:
    return StoredNoise(key, estimate.version, estimate.to_json(), estimate.labels, now)
