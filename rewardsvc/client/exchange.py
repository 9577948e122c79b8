"""Many parcels over ScoreStream: a bounded window of them under way, each answered on its own.

A broken stream is opened again, elsewhere if possible, and what was not answered is sent
again; a message that the server refused for now is sent again when the server said. Each
parcel has its own deadline, so one that is never answered cannot hold up the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from itertools import compress
from typing import Any, TypeAlias

import grpc

from rewardsvc.client.channel import Endpoint, Endpoints
from rewardsvc.client.failures import error_of_rpc
from rewardsvc.client.parcels import Parcel, messages_of, naming_samples, results_of
from rewardsvc.client.retry import Attempts, Deadline, Retry
from rewardsvc.errors import DeadlineExceeded, InvalidRequest, RewardServiceError, Unavailable
from rewardsvc.types import Result
from rewardsvc.v1 import reward_service_pb2 as pb
from rewardsvc.wire.failures import error_of

Outcome: TypeAlias = list[Result] | RewardServiceError
"""A parcel's results in its order, or why there are none and will be none."""

WINDOW = 16
"""Messages under way on each stream, sent and not yet taken by the caller."""
_PARTING_SECONDS = 1.0
"""How long streams may take to end once everything is answered."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every message of an exchange."""

    reward: str
    options: pb.ScoreOptions
    metadata: tuple[tuple[str, str], ...]
    retry: Retry
    timeout: float
    """Seconds that a message may take from when it is taken up until it is answered."""
    deadline: Deadline | None = None
    """Takes the place of `timeout`: one deadline for everything."""
    split_refused: bool = False
    """Whether a message refused as wrong is sent again sample by sample, to find the culprit."""


class _Ticket:
    """A parcel on its way."""

    __slots__ = ("attempts", "deadline", "expiry", "finished", "message", "parcel", "stall")

    def __init__(self, parcel: Parcel, message: pb.ScoreStreamRequest, terms: Terms) -> None:
        self.parcel = parcel
        self.message = message
        self.deadline = terms.deadline or Deadline(terms.timeout)
        self.attempts = Attempts(terms.retry, self.deadline)
        self.expiry: asyncio.TimerHandle | None = None
        self.stall: asyncio.TimerHandle | None = None
        self.finished = False


class Exchange:
    """Sends parcels over one stream for each of `streams`, and hands back their outcomes."""

    def __init__(self, endpoints: Endpoints, terms: Terms, streams: int) -> None:
        self._endpoints = endpoints
        self._terms = terms
        self._streams = streams
        self._window = WINDOW * streams
        self._ready: asyncio.Queue[_Ticket | None] = asyncio.Queue()
        self._done: asyncio.Queue[tuple[_Ticket, Outcome] | BaseException | None]
        self._done = asyncio.Queue()
        self._room = asyncio.Event()
        self._open: set[_Ticket] = set()
        self._carrying = [False] * streams
        self._unclaimed = 0
        self._fed = self._ending = False
        self._number = 0

    async def run(
        self, parcels: AsyncIterator[Parcel]
    ) -> AsyncGenerator[tuple[Parcel, Outcome], None]:
        """The outcome of every parcel, as they come; raises what `parcels` raises."""
        lanes = [asyncio.create_task(self._lane(number)) for number in range(self._streams)]
        tasks = [asyncio.create_task(self._feed(parcels)), *lanes]
        for task in tasks:
            task.add_done_callback(self._watch)
        try:
            while (item := await self._done.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                ticket, outcome = item
                yield ticket.parcel, outcome
                self._unclaimed -= 1
                self._room.set()
                if self._fed and not self._unclaimed:
                    break
            self._ending = True
            for _ in range(self._streams):
                self._ready.put_nowait(None)
            if parting := list(compress(lanes, self._carrying)):
                await asyncio.wait(parting, timeout=_PARTING_SECONDS)
        finally:
            for ticket in self._open:
                _cancel_timers(ticket)
            for task in tasks:
                task.cancel()
            # Bounded: whoever has its results must not wait for a connection that is gone.
            await asyncio.wait(tasks, timeout=_PARTING_SECONDS)

    def _watch(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._done.put_nowait(error)

    # ── parcels in, outcomes out ─────────────────────────────────────────────────────────

    async def _feed(self, parcels: AsyncIterator[Parcel]) -> None:
        while True:
            while self._unclaimed >= self._window:
                self._room.clear()
                await self._room.wait()
            try:
                parcel = await anext(parcels)
            except StopAsyncIteration:
                break
            self._admit(parcel)
        self._fed = True
        if not self._unclaimed:
            self._done.put_nowait(None)

    def _admit(self, parcel: Parcel) -> None:
        self._number += 1
        self._unclaimed += 1
        terms = self._terms
        message = pb.ScoreStreamRequest(
            reward=terms.reward,
            groups=messages_of(parcel),
            options=terms.options,
            request_id=str(self._number),
        )
        ticket = _Ticket(parcel, message, terms)
        loop = asyncio.get_running_loop()
        ticket.expiry = loop.call_later(ticket.deadline.remaining, self._expire, ticket)
        self._open.add(ticket)
        self._ready.put_nowait(ticket)

    def _expire(self, ticket: _Ticket) -> None:
        what = f"reward {self._terms.reward!r}: {ticket.parcel.samples} samples were not scored"
        self._finish(ticket, ticket.deadline.exceeded(what, ticket.attempts.last))

    def _finish(self, ticket: _Ticket, outcome: Outcome) -> None:
        if not ticket.finished:
            ticket.finished = True
            _cancel_timers(ticket)
            self._open.discard(ticket)
            self._done.put_nowait((ticket, outcome))

    def _failed(self, ticket: _Ticket, error: RewardServiceError) -> None:
        """Sends a parcel again, later or in pieces, or finishes it with the error."""
        if ticket.finished:
            return
        if isinstance(error, InvalidRequest):
            if self._terms.split_refused and ticket.parcel.samples > 1:
                ticket.finished = True
                _cancel_timers(ticket)
                self._open.discard(ticket)
                self._unclaimed -= 1
                for single in ticket.parcel.singly():
                    self._admit(single)
                return
            error = naming_samples(error, ticket.parcel)
        try:
            delay = ticket.attempts.delay_after(error)
        except RewardServiceError as final:
            self._finish(ticket, final)
        else:
            asyncio.get_running_loop().call_later(delay, self._ready.put_nowait, ticket)

    # ── streams ──────────────────────────────────────────────────────────────────────────

    async def _lane(self, number: int) -> None:
        while not self._ending:
            # Before taking a message, so that one never waits here while another lane is free.
            endpoint = await self._endpoints.pick(number)
            ticket = await self._ready.get()
            if ticket is None or ticket.finished:
                continue
            self._carrying[number] = True
            await self._stream(endpoint, ticket)
            self._carrying[number] = False

    async def _stream(self, endpoint: Endpoint, first: _Ticket) -> None:
        """Carries messages over one RPC until it ends; what it left unanswered goes again.

        Unless there is one deadline for everything, the RPC lives for twice a message's time
        and takes new messages for half of its life, so that the server sees enough time for
        each of them, and long jobs move to servers that were added since.
        """
        terms = self._terms
        if terms.deadline is None:
            life, takes_until = 2 * terms.timeout, time.monotonic() + terms.timeout
        else:
            life, takes_until = max(terms.deadline.remaining, 0.001), terms.deadline.at
        call = endpoint.stub.ScoreStream(timeout=life, metadata=terms.metadata)
        unanswered: dict[str, _Ticket] = {}
        error: RewardServiceError = Unavailable("the stream ended with messages unanswered")
        reading = asyncio.create_task(self._read(call, unanswered))
        stalled = False

        def stall() -> None:
            nonlocal stalled
            stalled = True
            call.cancel()

        try:
            await self._write(call, first, unanswered, reading, takes_until, stall)
            await reading
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # Of a call that ended, writes know only that it did; the reader knows why.
            error = await _reason(reading, error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not stalled or (task is not None and task.cancelling()):
                raise
            error = Unavailable(f"no answer within {terms.retry.attempt_timeout:g} s")
        finally:
            reading.cancel()
            call.cancel()
            await asyncio.wait((reading,), timeout=_PARTING_SECONDS)
            if reading.done() and not reading.cancelled():
                reading.exception()  # looked at, so that asyncio does not log it
        if unanswered:
            endpoint.suspect(error)
        for ticket in unanswered.values():
            self._failed(ticket, error)

    async def _write(
        self,
        call: Any,
        first: _Ticket,
        unanswered: dict[str, _Ticket],
        reading: asyncio.Task[None],
        takes_until: float,
        stall: Callable[[], None],
    ) -> None:
        """Sends messages until there are no more, the stream ended, or its time is up."""
        limit = self._terms.retry.attempt_timeout
        ticket: _Ticket | None = first
        while ticket is not None:
            if not ticket.finished:
                unanswered[ticket.message.request_id] = ticket
                if limit is not None:
                    ticket.stall = asyncio.get_running_loop().call_later(limit, stall)
                await call.write(ticket.message)
            ticket = await self._next(reading, takes_until)
        if not reading.done():
            await call.done_writing()

    async def _next(self, reading: asyncio.Task[None], takes_until: float) -> _Ticket | None:
        """The next message to send; None when there is none for this stream any more."""
        left = takes_until - time.monotonic()
        if reading.done() or left <= 0:
            return None
        if not self._ready.empty():
            return self._ready.get_nowait()
        getting = asyncio.create_task(self._ready.get())
        try:
            await asyncio.wait(
                (getting, reading), timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            if not getting.done():
                getting.cancel()
        return getting.result() if getting.done() and not getting.cancelled() else None

    async def _read(self, call: Any, unanswered: dict[str, _Ticket]) -> None:
        while (answer := await call.read()) is not grpc.aio.EOF:
            ticket = unanswered.pop(answer.request_id, None)
            if ticket is None or ticket.finished:
                continue
            if ticket.stall is not None:
                ticket.stall.cancel()
            if answer.HasField("failure"):
                self._failed(ticket, error_of(answer.failure))
                continue
            try:
                self._finish(ticket, results_of(ticket.parcel, answer.groups, answer.versions))
            except RewardServiceError as error:
                self._finish(ticket, error)


async def _reason(reading: asyncio.Task[None], otherwise: RewardServiceError) -> RewardServiceError:
    try:
        await reading
    except grpc.aio.AioRpcError as failure:
        error = error_of_rpc(failure)
        if isinstance(error, DeadlineExceeded):  # the stream's; each message has its own
            return Unavailable(f"the stream's time ran out: {error.message}")
        return error
    return otherwise


def _cancel_timers(ticket: _Ticket) -> None:
    for timer in (ticket.expiry, ticket.stall):
        if timer is not None:
            timer.cancel()
