"""What is in force: the calibrators and noise estimates that scoring uses right now.

A book holds one immutable snapshot and looks at the store's counter every few seconds; when
that has moved, it reads what is new and puts another snapshot in its place. So several
replicas pick up what one of them has fitted, without a restart. While the store does not
answer, the last snapshot stays, and `stale_seconds` says for how long it has not been
confirmed. Whoever scores a request takes `snapshot` once, so that all its samples see the
same versions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection

from rewardsvc.calibration import FittedCalibrator
from rewardsvc.errors import Overloaded, RewardServiceError, Unavailable
from rewardsvc.noise import NoiseEstimate
from rewardsvc.store import Database, calibrators, noise, revisions
from rewardsvc.store.calibrators import CalibratorKey
from rewardsvc.store.noise import ScorerKey

log = structlog.stdlib.get_logger("rewardsvc.labels")

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is in force at one moment."""

    version: int = 0
    """Grows with every change of anything in force."""
    calibrators: Mapping[CalibratorKey, FittedCalibrator] = field(default_factory=dict)
    estimates: Mapping[ScorerKey, NoiseEstimate] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """What is in force in the store but could not be read, and why."""

    def calibrator(self, reward: str, scorer: str, domain: str = "") -> FittedCalibrator | None:
        """The calibrator of a domain, else the one of all domains, else None."""
        found = self.calibrators.get(CalibratorKey(reward, scorer, domain))
        if found is None and domain:
            found = self.calibrators.get(CalibratorKey(reward, scorer, ""))
        return found

    def noise(self, reward: str, scorer: str) -> NoiseEstimate | None:
        """The error rates of a verifier, for each kind of sample; None before there are any."""
        return self.estimates.get(ScorerKey(reward, scorer))


class CalibratorBook:
    """The snapshot in force, kept up to date. Use: `start`, lookups, `close`.

    Lookups never wait and may be called from the event loop at any rate.
    """

    def __init__(
        self,
        database: Database,
        *,
        poll_seconds: float = POLL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._snapshot = Snapshot()
        self._confirmed_at = clock()
        self._callbacks: list[Callable[[Snapshot], None]] = []
        self._refreshing = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None
        self._unreachable = False

    # ── for scoring ──────────────────────────────────────────────────────────────────────

    @property
    def snapshot(self) -> Snapshot:
        """What is in force now; it never changes, another one takes its place."""
        return self._snapshot

    @property
    def version(self) -> int:
        """The snapshot's version."""
        return self._snapshot.version

    @property
    def stale_seconds(self) -> float:
        """How long ago the store last confirmed that the snapshot is what is in force."""
        return self._clock() - self._confirmed_at

    def calibrator(self, reward: str, scorer: str, domain: str = "") -> FittedCalibrator | None:
        """See Snapshot.calibrator."""
        return self._snapshot.calibrator(reward, scorer, domain)

    def noise(self, reward: str, scorer: str) -> NoiseEstimate | None:
        """See Snapshot.noise."""
        return self._snapshot.noise(reward, scorer)

    def on_change(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Calls `callback` in the event loop with every new snapshot; returns how to stop it."""
        self._callbacks.append(callback)
        return partial(self._callbacks.remove, callback)

    # ── life ─────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Reads what is in force and begins to follow it; raises where the store is down."""
        await self._refresh()
        self._polling = asyncio.create_task(self._poll())

    async def refresh(self) -> bool:
        """Looks now; returns whether the store answered."""
        try:
            await self._refresh()
        except (Unavailable, Overloaded) as error:
            if not self._unreachable:
                log.warning(
                    "the store does not answer; scoring goes on with what was in force",
                    reason=error.message,
                    version=self.version,
                    stale_seconds=round(self.stale_seconds, 1),
                )
            self._unreachable = True
            return False
        if self._unreachable:
            log.info("the store answers again", version=self.version)
        self._unreachable = False
        return True

    async def close(self) -> None:
        """Stops following; the snapshot stays readable. Idempotent."""
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.refresh()
            except Exception:
                # A defect must not end the polling: what is in force would silently stay.
                log.exception("reading what is in force failed")

    async def _refresh(self) -> None:
        async with self._refreshing:
            before, began = self._snapshot, self._clock()
            after = await self._database.read(partial(_read, before=before))
            self._confirmed_at = began
            if after is before:
                return
            self._snapshot = after
        for problem in after.problems:
            log.error("what is in force cannot be read; its predecessor stays", problem=problem)
        log.info("calibrators and noise estimates have changed", version=after.version)
        for callback in tuple(self._callbacks):
            try:
                callback(after)
            except Exception:
                log.exception("a listener failed", version=after.version)


def _read(connection: Connection, before: Snapshot) -> Snapshot:
    """The snapshot in force: `before` itself where nothing has changed."""
    version = revisions.current(connection)
    if version == before.version:
        return before
    problems: list[str] = []
    held = _followed(
        before.calibrators,
        calibrators.versions_in_force(connection),
        lambda key: calibrators.find(connection, key),
        FittedCalibrator.from_json,
        problems,
    )
    estimates = _followed(
        before.estimates,
        noise.versions_in_force(connection),
        lambda key: noise.find(connection, key),
        NoiseEstimate.from_json,
        problems,
    )
    return Snapshot(version, MappingProxyType(held), MappingProxyType(estimates), tuple(problems))


class _Stored(Protocol):
    @property
    def payload(self) -> Mapping[str, Any]: ...


class _Versioned(Protocol):
    @property
    def version(self) -> str: ...


_Key = TypeVar("_Key", bound=tuple[str, ...])
_Value = TypeVar("_Value", bound=_Versioned)


def _followed(
    known: Mapping[_Key, _Value],
    wanted: Mapping[_Key, str],
    find: Callable[[_Key], _Stored | None],
    read: Callable[[Mapping[str, Any]], _Value],
    problems: list[str],
) -> dict[_Key, _Value]:
    """What is wanted, reading only what is not known; what cannot be read stays as it was."""
    following: dict[_Key, _Value] = {}
    for key, version in wanted.items():
        value = known.get(key)
        if value is None or value.version != version:
            stored = find(key)
            try:
                value = value if stored is None else read(stored.payload)
            except (RewardServiceError, ValueError, TypeError, KeyError) as error:
                problems.append(f"{version} of {'/'.join(filter(None, key))}: {error}")
        if value is not None:
            following[key] = value
    return following
