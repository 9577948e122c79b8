"""An event loop in a thread of its own, for synchronous callers."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
_END = object()


class Background:
    """Runs coroutines in a private loop, whose thread starts with the first one.

    It does not survive a fork: threads never do. Before the first call there is nothing to
    lose, so an object made but not used before the fork works on either side.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._closed = False
        self._end: weakref.finalize[Any, Background] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; raises RuntimeError after `close` and in a forked child."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_exception_handler(_report)
                self._process = os.getpid()
                thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="rewardsvc-client", daemon=True
                )
                thread.start()
                # Also at interpreter exit, so that gRPC is not torn down under a running loop.
                self._end = weakref.finalize(self, _stop, self._loop, thread, self._process)
            elif self._process != os.getpid():
                raise RuntimeError(
                    "this Client was used before the process forked, and its connections stayed "
                    "with the parent; make a Client in each process"
                )
            return self._loop

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """The coroutine's result; from any thread. An interrupt cancels the coroutine."""
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            raise
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Runs a last coroutine and ends the thread. Idempotent."""
        with self._lock:
            loop, self._closed, closed = self._loop, True, self._closed
        if closed or loop is None or self._process != os.getpid():
            last.close()
            return
        try:
            asyncio.run_coroutine_threadsafe(last, loop).result()
        finally:
            if self._end is not None:
                self._end()


class Fed(Generic[_T]):
    """An iterable read in a thread of its own, as an asynchronous iterator in a loop.

    For iterables that block, such as one that waits for a generator of rollouts. Reads a
    bounded number of items ahead.
    """

    def __init__(self, items: Iterable[_T], loop: asyncio.AbstractEventLoop) -> None:
        self._items = items
        self._loop = loop
        self._queue: queue.Queue[Any] = queue.Queue(256)
        self._filled = asyncio.Event()
        self._stopped = False
        self._error: BaseException | None = None
        threading.Thread(target=self._read, name="rewardsvc-samples", daemon=True).start()

    def __aiter__(self) -> AsyncIterator[_T]:
        return self

    async def __anext__(self) -> _T:
        while True:
            self._filled.clear()
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                await self._filled.wait()
                continue
            if item is not _END:
                return item  # type: ignore[no-any-return]
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration

    def stop(self) -> None:
        """Reads no further; the thread ends when the iterable next yields."""
        self._stopped = True
        while True:  # make room for a put that waits
            try:
                self._queue.get_nowait()
            except queue.Empty:
                return

    def _read(self) -> None:
        try:
            for item in self._items:
                if self._stopped:
                    return
                self._put(item)
        except BaseException as error:
            self._error = error
        self._put(_END)

    def _put(self, item: Any) -> None:
        self._queue.put(item)
        if not self._stopped and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._filled.set)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    if process != os.getpid() or loop.is_closed():
        return
    asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # grpc.aio shares one wake-up socket between all loops of a process; the loop that comes
    # second finds it empty and says so. Nothing is lost.
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
