"""Gathers the groups of all callers into batches for one scorer, fairly and in time.

Runs on one event loop, without threads. Whenever the scorer has fewer batches than it wants
in flight and something is queued, a batch goes out: nothing waits for a batch to fill up.
What is submitted within one turn of the event loop is gathered together.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from rewardsvc.batching import admission
from rewardsvc.batching.batch import Batch
from rewardsvc.batching.checking import checked_batch, failed, shortened
from rewardsvc.batching.latency import LatencyModel
from rewardsvc.batching.observer import BatchObserver, Reports
from rewardsvc.batching.queue import FairQueue, first_key
from rewardsvc.batching.signal import Signal
from rewardsvc.batching.submission import Submission
from rewardsvc.batching.ticket import Ticket
from rewardsvc.batching.weighing import Weigh, weigh_all
from rewardsvc.errors import DeadlineExceeded, Unavailable
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, Score, Status

logger = logging.getLogger(__name__)

ScoreBatch: TypeAlias = Callable[[Sequence[Group]], Awaitable[Sequence[Sequence[Score]]]]

DEFAULT_TENANT = "default"
STOPPED = "the server stopped"
LONGEST_STOP_SECONDS = 5.0
"""How long `close` waits for a scorer that does not end when cancelled."""


class Batcher:
    """Gathers groups of all callers into batches for one scorer.

    `score` and `weigh` are those of the `Scorer` called `name`; `limits` says how it wants
    its work. `weights` gives tenants their share of the throughput under contention, as
    numbers in [0.01, 100]; a tenant that is not named has 1. `clock` is the event loop's
    unless given; it must agree with it, and may be finer (uvloop's own ticks in milliseconds,
    too coarse to learn how long a fast batch takes).

    A group is kept whole unless it alone exceeds the limits of a batch: then its responses
    are scored in several batches, with the prompt repeated, and put together in order.

    To be constructed anywhere, and used on one event loop. Raises ValueError for limits below
    1 and for shares out of range.
    """

    def __init__(
        self,
        name: str,
        score: ScoreBatch,
        weigh: Weigh,
        limits: BatchLimits,
        *,
        observer: BatchObserver | None = None,
        weights: Mapping[str, float] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        for field in BatchLimits.__slots__:
            if getattr(limits, field) < 1:
                raise ValueError(f"{field} of scorer {name!r} is {getattr(limits, field)}, not > 0")
        self.name = name
        self._score = score
        self._weigh = weigh
        self._limits = limits
        self._reports = Reports(name, observer)
        self._queue = FairQueue(limits, weights)
        self._model = LatencyModel()
        self._running: set[Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = Signal()
        self._idle = Signal()
        self._scheduled = False
        self._closed = False
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def queue_depth(self) -> int:
        """Responses waiting to be scored."""
        return self._queue.samples

    @property
    def queued_tokens(self) -> int:
        """Tokens waiting to be scored."""
        return self._queue.tokens

    @property
    def in_flight(self) -> int:
        """Batches being scored."""
        return len(self._running)

    def now(self) -> float:
        """The time that deadlines are compared with."""
        if self._clock is not None:
            return self._clock()
        return (self._loop or asyncio.get_running_loop()).time()

    def submit(
        self,
        groups: Sequence[Group],
        *,
        tenant: str = DEFAULT_TENANT,
        deadline: float | None = None,
    ) -> Ticket:
        """Queues `groups`, all of them or none, and returns at once.

        `groups` must not change afterwards. `deadline` is in the event loop's time
        (`loop.time()`); work not started by then is not done. A group that `weigh` cannot
        weigh is an ERROR of its samples, not of the call.

        Raises, before anything is queued:
            QueueFull: there is no room now; `room` waits until there may be.
            DeadlineUnreachable: the work is predicted to end after `deadline`. Nothing is
                predicted before the speed of the scorer is known, and never while it is idle,
                so that a wrong prediction is always followed by a measurement.
            InvalidRequest: the groups are more than the queue can ever hold.
            DeadlineExceeded: `deadline` has passed.
            Unavailable: the batcher is closed.
        """
        if self._closed:
            raise Unavailable(f"scorer {self.name!r} has stopped")
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        now = self.now()
        if deadline is not None:
            if deadline == math.inf:
                deadline = None
            elif not deadline > now:  # also catches NaN
                raise DeadlineExceeded(f"the deadline passed {now - deadline:.3f} s ago")
        queue = self._queue
        samples = 0
        for group in groups:
            samples += len(group.responses)
        # Before weighing, which is the dear part.
        self._check_room(0, samples)
        submission = Submission(
            groups, weigh_all(self.name, self._weigh, groups), tenant, now, deadline
        )
        if submission.samples:
            self._check_room(submission.tokens, submission.samples)
            if deadline is not None and (self._running or queue.samples):
                self._check_deadline(submission, now, deadline)
            queue.push(submission)
            self._schedule()
        return Ticket(self, submission, loop)

    async def room(self) -> None:
        """Waits until something leaves the queue; returns at once when nothing is queued."""
        if self._queue.samples:
            await self._room.wait()

    async def drain(self) -> None:
        """Waits until nothing is queued or running. New work is still taken on."""
        while self._running or self._queue.samples:
            await self._idle.wait()

    async def close(self) -> None:
        """Ends queued and running work with status ERROR, "the server stopped"; idempotent."""
        self._closed = True
        now = self.now()
        for submission in self._queue.close():
            self._reports.dropped(submission.samples, "stopped")
            submission.end_queued(Status.ERROR, STOPPED, now)
        for batch in self._running:
            self._deliver(batch, failed(batch.groups, STOPPED), 0.0)
        self._room.notify()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=LONGEST_STOP_SECONDS)
            if stuck:
                logger.warning("scorer %r ignores that it was cancelled", self.name)
        # A task that was cancelled before it ran has left its batch there.
        self._running.clear()
        self._idle.notify()

    def portion_running(self, submission: Submission, index: int) -> float | None:
        """When the running batch that holds a group of `submission` started, if there is one."""
        for batch in self._running:
            for portion in batch.portions:
                if portion.submission is submission and index in portion.indices:
                    return batch.started
        return None

    def forget(self, submission: Submission) -> None:
        """Nobody waits for `submission` any more; what of it is queued leaves the queue."""
        if submission.done:
            return
        samples = submission.samples
        self._queue.remove(submission)
        submission.give_up()
        if samples:
            self._reports.dropped(samples, "cancelled")
            self._room.notify()
            self._notify_if_idle()

    def _check_room(self, tokens: int, samples: int) -> None:
        queue, limits = self._queue, self._limits
        if (
            queue.samples + samples > limits.max_queue_samples
            or queue.tokens + tokens > limits.max_queue_tokens
        ):
            admission.check_size(self.name, limits, tokens, samples)
            admission.check_room(
                self.name, limits, self._model, (queue.tokens, queue.samples), (tokens, samples)
            )

    def _check_deadline(self, submission: Submission, now: float, deadline: float) -> None:
        model, limits, queue = self._model, self._limits, self._queue
        if not model.ready:
            return
        tokens, samples = submission.tokens, submission.samples
        allowed = deadline - now
        running = admission.running_seconds(
            model, limits, ((batch.tokens, now - batch.started) for batch in self._running)
        )
        all_tokens, all_samples = queue.tokens + tokens, queue.samples + samples
        shared = queue.is_shared_by(submission.tenant)
        predicted = admission.finish_seconds(
            model, limits, all_tokens, all_samples, running, shared=shared
        )
        if predicted <= allowed:
            return
        key = first_key(now, deadline)
        until = queue.tokens_until(submission.tenant, tokens, key)
        part = all_samples * until / all_tokens
        predicted = admission.finish_seconds(model, limits, until, part, running, shared=shared)
        backlog = admission.work_seconds(model, limits, queue.tokens, queue.samples)
        admission.check_deadline(self.name, predicted, allowed, running + backlog)

    def _schedule(self) -> None:
        if not self._scheduled and len(self._running) < self._limits.batches_in_flight:
            self._scheduled = True
            assert self._loop is not None
            self._loop.call_soon(self._dispatch_scheduled)

    def _dispatch_scheduled(self) -> None:
        self._scheduled = False
        self._dispatch()

    def _dispatch(self) -> None:
        """Starts batches while the scorer wants more and there is something to do."""
        queue, loop = self._queue, self._loop
        if self._closed or not queue.samples:
            return
        assert loop is not None
        while queue.samples and len(self._running) < self._limits.batches_in_flight:
            now = self.now()
            batch = queue.gather(now)
            for submission in queue.expired:
                self._reports.dropped(submission.samples, "expired")
                submission.end_queued(
                    Status.TIMEOUT,
                    "the deadline passed before it was started: it waited "
                    f"{now - submission.arrival:.3f} s in the queue",
                    now,
                )
            queue.expired.clear()
            if batch is not None:
                self._running.add(batch)
                task = loop.create_task(self._run(batch))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._room.notify()
        self._notify_if_idle()

    async def _run(self, batch: Batch) -> None:
        try:
            try:
                results = await self._score(batch.groups)
            except asyncio.CancelledError as error:
                if _was_cancelled():
                    raise
                await self._isolate(batch, error)
            except Exception as error:
                await self._isolate(batch, error)
            else:
                seconds = self.now() - batch.started
                self._model.observe(batch.tokens, seconds)
                # The scorer first: it need not wait while answers are handed out.
                self._running.discard(batch)
                self._dispatch()
                scored, wrong = checked_batch(self.name, batch.groups, results)
                self._deliver(batch, scored, seconds)
                self._reports.finished(batch, seconds, wrong)
        except asyncio.CancelledError:
            self._deliver(batch, failed(batch.groups, STOPPED), 0.0)
            raise
        except Exception as error:
            logger.exception("the batcher of scorer %r failed", self.name)
            self._deliver(batch, failed(batch.groups, f"internal: {shortened(error)}"), 0.0)
        finally:
            self._running.discard(batch)
            self._dispatch()
            self._notify_if_idle()

    async def _isolate(self, batch: Batch, error: BaseException) -> None:
        """Runs the groups of a batch that raised one by one, to find those that raise again."""
        self._reports.failed(batch, error)
        alone = len(batch.groups) == 1
        logger.error(
            "scorer %r raised on %d groups%s",
            self.name,
            len(batch.groups),
            "" if alone else "; they are run again one by one",
            exc_info=error,
        )
        if alone:
            self._deliver(batch, failed(batch.groups, self._raised(error)), self._age(batch))
            return
        traced = False
        groups = iter(batch.groups)
        for portion in batch.portions:
            for part in portion.one_by_one():
                group = next(groups)
                try:
                    scores = await self._score_alone(group, portion.submission)
                except Exception as again:
                    scores = failed([group], self._raised(again))[0]
                    logger.error(
                        "scorer %r raised on a group alone: %s",
                        self.name,
                        shortened(again),
                        exc_info=None if traced else again,
                    )
                    traced = True
                portion.submission.finish_portion(part, [scores], batch.started, self._age(batch))

    async def _score_alone(self, group: Group, submission: Submission) -> tuple[Score, ...]:
        deadline = submission.deadline
        if submission.done:
            reason = "nobody waits for it"
        elif deadline is not None and self.now() >= deadline:
            reason = "the deadline passed while the groups of a failed batch were run one by one"
        else:
            try:
                results = await self._score([group])
            except asyncio.CancelledError as error:
                if _was_cancelled():
                    raise
                raise RuntimeError("scoring was cancelled from within") from error
            return checked_batch(self.name, [group], results)[0][0]
        return (Score.unscored(Status.TIMEOUT, reason),) * len(group.responses)

    def _deliver(self, batch: Batch, scored: Sequence[tuple[Score, ...]], seconds: float) -> None:
        portions = batch.portions
        if len(portions) == 1:
            portions[0].submission.finish_portion(portions[0], scored, batch.started, seconds)
            return
        at = 0
        for portion in portions:
            end = at + len(portion.indices)
            portion.submission.finish_portion(portion, scored[at:end], batch.started, seconds)
            at = end

    def _raised(self, error: BaseException) -> str:
        return f"scorer {self.name!r} raised {shortened(error)}"

    def _age(self, batch: Batch) -> float:
        return self.now() - batch.started

    def _notify_if_idle(self) -> None:
        if not self._running and not self._queue.samples:
            self._idle.notify()


def _was_cancelled() -> bool:
    """Whether the current task was cancelled, rather than something it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
