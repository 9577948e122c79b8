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
        # gRPC allows one write at a time: tasks queue their answers, `run` writes them.
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()
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

        Raises what a refused message was refused with, and Unavailable after `drain`, each
        only when what was read before is answered; and what a write raised, at once.
        """
        self._reader = asyncio.create_task(self._read(questions))
        self._reader.add_done_callback(self._ended)
        try:
            while (answer := await self._answers.get()) is not None:
                await self._write(answer)
                self._window.release()
        finally:
            self._reader.cancel()
            for task in self._tasks:
                task.cancel()
        if self._failure is not None:
            raise self._failure
        if self._reader.cancelled() and self._draining:
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
        self._answers.put_nowait(await self._answer(question))

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Ends the answers once nothing more is read and every task is done."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
        if not self._tasks and self._reader is not None and self._reader.done():
            self._answers.put_nowait(None)
