"""Runs work on the store in a few threads, so that the event loop never waits for a disk.

Work is a function of a connection; it runs in one transaction, which is committed when it
returns and rolled back when it raises. Work that lost against another transaction
(deadlock, serialisation) runs again, so it must depend on nothing but its arguments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from rewardsvc.errors import Overloaded, Unavailable
from rewardsvc.store.address import StoreAddress
from rewardsvc.store.connections import connect, reading, writing
from rewardsvc.store.migrate import migrate

T = TypeVar("T")

THREADS = 4
MOST_WAITING = 64
"""Calls that wait for a thread; more are refused."""
_TRIES = 3
_RETRY_SECONDS = 2.0
_OF_THE_DATABASE = (OperationalError, DatabaseError)
_LOST_AGAINST_ANOTHER = frozenset({"40001", "40P01"})


class StoreUnavailable(Unavailable):
    """The database cannot be used right now; the same call may succeed later."""

    reason = "STORE_UNAVAILABLE"


class Database:
    """The store of one server. Use: `open`, `read` and `write`, `close`."""

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self._engine = connect(address, THREADS)
        self._reading, self._writing = reading(self._engine), writing(self._engine)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rewardsvc-store")
        self._waiting = 0
        self._closed = False

    async def open(self) -> None:
        """Brings the tables up to date.

        Raises:
            StoreUnavailable: nobody answers there.
            ConfigError: a newer release has changed the tables.
        """
        await self.write(migrate)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, from one consistent view.

        Raises:
            StoreUnavailable: the database cannot be used.
            Overloaded: too many calls wait already.
        """
        return await self._run(self._reading, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once it is committed. Raises as `read`.

        A caller that is cancelled does not stop work that has begun.
        """
        return await self._run(self._writing, work)

    async def close(self) -> None:
        """Waits for work that has begun and closes every connection; idempotent."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._engine.dispose()

    async def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._waiting >= THREADS + MOST_WAITING:
            raise Overloaded(f"{self._waiting} calls wait for the store", _RETRY_SECONDS)
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(
            self._threads, self._transaction, engine, work
        )
        # Counted until the thread is free, not until the caller stops waiting.
        future.add_done_callback(self._finished)
        return await asyncio.shield(future)

    def _finished(self, future: asyncio.Future[T]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # a cancelled caller does not collect it

    def _transaction(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        for remaining in reversed(range(_TRIES)):
            try:
                with engine.begin() as connection:
                    return work(connection)
            except (DatabaseError, InterfaceError, PoolTimeoutError) as error:
                if isinstance(error, DatabaseError) and type(error) not in _OF_THE_DATABASE:
                    raise  # a constraint, or a statement that cannot be: a defect of ours
                if remaining and _sqlstate(error) in _LOST_AGAINST_ANOTHER:
                    continue
                raise self._unavailable(error) from error
        raise AssertionError("unreachable")

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        cause = error.orig if isinstance(error, DBAPIError) else error
        first_line = str(cause).strip().partition("\n")[0] or type(cause).__name__
        return StoreUnavailable(f"the store at {self.address}: {first_line}", _RETRY_SECONDS)


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)
