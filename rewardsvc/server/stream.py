"""One bidirectional stream: a window of messages under way, answered out of order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from rewardsvc.errors import Unavailable
from rewardsvc.server.messages import Refused

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class StreamSession(Generic[Question, Answer]):
    """Answers the messages of one stream as they finish.

    At most `window` messages are read and not yet answered: beyond that the session stops
    reading and HTTP/2 flow control holds the caller back. After `drain` it reads nothing
    more, answers what it has read, and ends with Unavailable, so that the caller sends the
    rest elsewhere. When the caller goes away, everything under way is cancelled.
    """

    def __init__(
        self,
        answer: Callable[[Question], Awaitable[Answer]],
        write: Callable[[Answer], Awaitable[None]],
        window: int,
    ) -> None:
        self._answer = answer
        self._write = write
        self._window = asyncio.Semaphore(window)
        # gRPC allows one write at a time.
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._reader: asyncio.Task[None] | None = None
        self._draining = False

    def drain(self) -> None:
        """Stops reading; what was read is still answered."""
        self._draining = True
        if self._reader is not None:
            self._reader.cancel()

    async def run(self, questions: AsyncIterator[Question | Refused]) -> None:
        """Returns when the caller has ended and everything is answered.

        Raises what a refused message was refused with, what a write raised, and
        Unavailable after `drain`; each only when what was read before is answered.
        """
        self._reader = asyncio.create_task(self._read(questions))
        try:
            await asyncio.wait((self._reader,))
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._reader.cancel()
            for task in self._tasks:
                task.cancel()
        if self._failure is not None:
            raise self._failure
        if not self._reader.cancelled():
            self._reader.result()
        elif self._draining:
            raise Unavailable("the server is draining; send what was not answered again")

    async def _read(self, questions: AsyncIterator[Question | Refused]) -> None:
        async for question in questions:
            if isinstance(question, Refused):
                raise question.error
            task = asyncio.create_task(self._work(question))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            await self._window.acquire()

    async def _work(self, question: Question) -> None:
        answer = await self._answer(question)
        async with self._writing:
            await self._write(answer)
        self._window.release()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            if self._reader is not None:
                self._reader.cancel()
