"""Concurrent small calls become few messages.

Trainers often score one sample a call, hundreds at a time. The first calls go out at once;
those that come while enough messages are under way are gathered into the next one. Nothing
waits for company: a call leaves as soon as an earlier message returns, or its message is
full, or, where all messages under way are slow, after `LONGEST_WAIT` seconds.

Groups of different callers are never merged, and each caller gets exactly its own results:
a message that is refused as wrong is sent again caller by caller, so that one bad sample
costs only its owner.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from rewardsvc.client.parcels import BYTES_PER_MESSAGE, SAMPLES_PER_MESSAGE, Parcel
from rewardsvc.client.retry import Deadline
from rewardsvc.errors import InvalidRequest, MessageTooLarge
from rewardsvc.types import Result

_Key = TypeVar("_Key", bound=Hashable)

MESSAGES_UNDER_WAY = 4
"""Messages of one kind under way before further calls are gathered."""
MOST_MESSAGES_UNDER_WAY = 64
"""Messages of one kind under way at most, however long they take."""
LONGEST_WAIT = 0.02
"""Seconds after which a gathered call leaves although earlier messages have not returned."""


class _Ticket:
    """One caller's parcel, waiting for its results."""

    __slots__ = ("deadline", "future", "message", "parcel", "samples")

    def __init__(self, parcel: Parcel, deadline: Deadline) -> None:
        self.parcel = parcel
        self.samples = parcel.samples
        self.deadline = deadline
        self.future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self.message: _Message | None = None


class _Message:
    """The callers that share a message, and the task that carries it."""

    __slots__ = ("task", "tickets")

    def __init__(self, tickets: list[_Ticket]) -> None:
        self.tickets = tickets
        self.task: asyncio.Task[None] | None = None


class _Lane(Generic[_Key]):
    """Calls that may share messages: same reward, same options, deadlines alike."""

    __slots__ = ("key", "samples", "timer", "under_way", "waiting")

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.waiting: deque[_Ticket] = deque()
        self.samples = 0
        self.under_way = 0
        self.timer: asyncio.TimerHandle | None = None


class Coalescer(Generic[_Key]):
    """Gathers parcels of the same key into messages; `send` makes one try to deliver one."""

    def __init__(self, send: Callable[[_Key, Parcel, Deadline], Awaitable[list[Result]]]) -> None:
        self._send = send
        self._lanes: dict[_Key, _Lane[_Key]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, key: _Key, parcel: Parcel, deadline: Deadline) -> list[Result]:
        """The results of a parcel, in its order; raises what `send` raises.

        One try: the caller decides on retries. Cancelling a caller leaves the others alone;
        a message whose callers are all gone is cancelled.
        """
        lane = self._lanes.setdefault(key, _Lane(key))
        ticket = _Ticket(parcel, deadline)
        lane.waiting.append(ticket)
        lane.samples += ticket.samples
        self._dispatch(lane)
        try:
            return await ticket.future
        except asyncio.CancelledError:
            self._abandon(lane, ticket)
            raise

    async def close(self) -> None:
        """Cancels what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _dispatch(self, lane: _Lane[_Key], *, waited: bool = False) -> None:
        while lane.waiting and lane.under_way < MOST_MESSAGES_UNDER_WAY:
            enough = lane.under_way >= MESSAGES_UNDER_WAY and not waited
            if enough and lane.samples < SAMPLES_PER_MESSAGE:
                break
            waited = False
            message = _Message(self._take(lane))
            for ticket in message.tickets:
                ticket.message = message
            lane.under_way += 1
            message.task = asyncio.create_task(self._carry(lane, message))
            self._tasks.add(message.task)
            message.task.add_done_callback(self._tasks.discard)
        if lane.waiting and lane.timer is None:
            loop = asyncio.get_running_loop()
            lane.timer = loop.call_later(LONGEST_WAIT, self._waited, lane)
        elif not lane.waiting and lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        if not lane.waiting and not lane.under_way:
            self._lanes.pop(lane.key, None)

    def _waited(self, lane: _Lane[_Key]) -> None:
        lane.timer = None
        self._dispatch(lane, waited=True)

    def _take(self, lane: _Lane[_Key]) -> list[_Ticket]:
        tickets: list[_Ticket] = []
        samples = size = 0
        while lane.waiting:
            ticket = lane.waiting[0]
            samples += ticket.samples
            size += ticket.parcel.size
            if tickets and (samples > SAMPLES_PER_MESSAGE or size > BYTES_PER_MESSAGE):
                break
            tickets.append(lane.waiting.popleft())
            lane.samples -= ticket.samples
        return tickets

    async def _carry(self, lane: _Lane[_Key], message: _Message) -> None:
        try:
            await self._deliver(lane.key, message.tickets)
        finally:
            for ticket in message.tickets:  # only when this task was cancelled
                ticket.future.cancel()
            lane.under_way -= 1
            self._dispatch(lane)

    async def _deliver(self, key: _Key, tickets: list[_Ticket]) -> None:
        merged = Parcel(tuple(b for ticket in tickets for b in ticket.parcel.bundles))
        deadline = max((ticket.deadline for ticket in tickets), key=lambda d: d.at)
        try:
            results = await self._send(key, merged, deadline)
        except (InvalidRequest, MessageTooLarge) as error:
            if len(tickets) == 1:
                _fail(tickets[0], error)
            else:
                await asyncio.gather(*(self._deliver(key, [ticket]) for ticket in tickets))
        except Exception as error:
            for ticket in tickets:
                _fail(ticket, error)
        else:
            start = 0
            for ticket in tickets:
                if not ticket.future.done():
                    ticket.future.set_result(results[start : start + ticket.samples])
                start += ticket.samples

    def _abandon(self, lane: _Lane[_Key], ticket: _Ticket) -> None:
        message = ticket.message
        if message is None:
            lane.waiting.remove(ticket)
            lane.samples -= ticket.samples
            self._dispatch(lane)
        elif message.task is not None and all(t.future.done() for t in message.tickets):
            message.task.cancel()


def _fail(ticket: _Ticket, error: Exception) -> None:
    if not ticket.future.done():
        ticket.future.set_exception(error)
