"""Worker threads with a queue that has deadlines of its own.

Covers: an item that waited too long is answered the moment its deadline passes, not when a
worker gets round to it; cancelled items are dropped; closing answers everything that waits.
Does not cover: execution time; that is bounded by the sandbox's limits.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Result = TypeVar("Result")
Tools = TypeVar("Tools")


@dataclass(eq=False)
class _Item(Generic[Tools, Result]):
    work: Callable[[Tools], Result]
    expired: Callable[[], Result]
    future: Future[Result] = field(default_factory=Future)


class WorkerPool(Generic[Tools, Result]):
    """Runs work on threads that each own a set of tools.

    Args:
        workers: number of threads, at least 1.
        make_tools: called once in each thread. close_tools: called when the thread ends.
    """

    def __init__(
        self, workers: int, make_tools: Callable[[], Tools], close_tools: Callable[[Tools], None]
    ) -> None:
        self._make_tools, self._close_tools = make_tools, close_tools
        self._waiting: deque[_Item[Tools, Result]] = deque()
        self._deadlines: list[tuple[float, int, _Item[Tools, Result]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"code-verifier-{number}", daemon=True)
            for number in range(workers)
        ]
        self._clock = threading.Thread(target=self._expire, name="code-verifier-queue", daemon=True)
        for thread in (*self._threads, self._clock):
            thread.start()

    def submit(
        self, work: Callable[[Tools], Result], *, expired: Callable[[], Result],
        queue_seconds: float | None = None,
    ) -> Future[Result]:  # fmt: skip
        """Queues work.

        Args:
            expired: makes the answer when no worker took it within `queue_seconds`.

        Raises:
            RuntimeError: the pool is closed.
        """
        item = _Item(work, expired)
        with self._changed:
            if self._closed:
                raise RuntimeError("the verifier is closed")
            self._waiting.append(item)
            if queue_seconds is not None:
                due = time.monotonic() + queue_seconds
                heapq.heappush(self._deadlines, (due, next(self._numbers), item))
            self._changed.notify_all()
        return item.future

    @property
    def queued(self) -> int:
        """How many items wait for a worker."""
        with self._changed:
            return len(self._waiting)

    def close(self) -> None:
        """Answers what waits as cancelled, lets running work finish, ends the threads."""
        with self._changed:
            self._closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for item in waiting:
            item.future.cancel()
        for thread in (*self._threads, self._clock):
            thread.join()

    def _work(self) -> None:
        tools = self._make_tools()
        try:
            while True:
                with self._changed:
                    while not self._waiting and not self._closed:
                        self._changed.wait()
                    if not self._waiting:
                        return
                    item = self._waiting.popleft()
                    taken = item.future.set_running_or_notify_cancel()
                if taken:
                    self._answer(item, lambda work=item.work: work(tools))  # type: ignore[misc]
        finally:
            self._close_tools(tools)

    def _expire(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                left = self._deadlines[0][0] - time.monotonic() if self._deadlines else None
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                _, _, item = heapq.heappop(self._deadlines)
                if item not in self._waiting:
                    continue
                self._waiting.remove(item)
                taken = item.future.set_running_or_notify_cancel()
            if taken:
                self._answer(item, item.expired)

    @staticmethod
    def _answer(item: _Item[Tools, Result], make: Callable[[], Result]) -> None:
        try:
            result = make()
        except BaseException as error:
            item.future.set_exception(error)
        else:
            item.future.set_result(result)
