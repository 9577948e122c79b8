"""What a caller holds of its submission: to wait for it, give it up, and read the results."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rewardsvc.batching.submission import Submission
from rewardsvc.types import GroupScores, Score, Status, Timing

if TYPE_CHECKING:
    from rewardsvc.batching.batcher import Batcher


class Ticket:
    """A caller's handle on groups it submitted.

    As a context manager it gives up at the end what is not finished by then::

        with batcher.submit(groups, deadline=deadline) as ticket:
            await ticket.wait(deadline)
            return ticket.results()

    Without that and without `cancel`, the work is done although nobody waits for it.
    """

    __slots__ = ("_batcher", "_given_up", "_loop", "_submission", "_waiters")

    def __init__(
        self, batcher: Batcher, submission: Submission, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._batcher = batcher
        self._submission = submission
        self._loop = loop
        self._waiters: list[asyncio.Future[None]] = []
        self._given_up: float | None = None

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    @property
    def done(self) -> bool:
        """Whether all groups are finished, or the ticket was cancelled."""
        return self._submission.done

    async def wait(self, until: float | None = None) -> None:
        """Returns when all groups are done, or when `until` (loop time) has come.

        Cancelling the task that waits leaves the work as it is: call `cancel` to give it up.
        """
        submission = self._submission
        if submission.done:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        submission.when_done = self._wake
        timer = None if until is None else self._loop.call_at(until, _wake, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._waiters.remove(waiter)

    def cancel(self) -> None:
        """Gives up what is not finished: queued groups leave the queue, running ones go on
        and are forgotten. Finished groups keep their scores. Idempotent."""
        if not self._submission.done:
            self._given_up = self._batcher.now()
            self._batcher.forget(self._submission)

    def results(self) -> list[GroupScores]:
        """The scores of each group, in the order submitted; to be called at any time.

        A sample that is not finished has status TIMEOUT and a reason that says whether it
        still waited in the queue or was being scored, and for how long. Timing is of the
        group: `queue_seconds` until it was first given to the scorer, `inference_seconds`
        from then until its last score was there.
        """
        return self._submission.results(self._missing)

    def _missing(self, index: int) -> tuple[Score, Timing]:
        submission = self._submission
        now = self._given_up or self._batcher.now()
        waited = now - submission.arrival
        prefix = "cancelled" if self._given_up is not None else "not done in time"
        if not submission.started(index):
            reason = f"{prefix}: it waited {waited:.3f} s in the queue and was not started"
            return Score.unscored(Status.TIMEOUT, reason), Timing(waited, 0.0)
        started = self._batcher.portion_running(submission, index)
        if started is None or started > now:
            reason = f"{prefix}: it was partly scored after {waited:.3f} s"
            return Score.unscored(Status.TIMEOUT, reason), Timing(waited, 0.0)
        reason = (
            f"{prefix}: it was being scored for {now - started:.3f} s "
            f"after {started - submission.arrival:.3f} s in the queue"
        )
        timing = Timing(started - submission.arrival, now - started)
        return Score.unscored(Status.TIMEOUT, reason), timing

    def _wake(self) -> None:
        for waiter in self._waiters:
            _wake(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
