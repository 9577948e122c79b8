"""A database that is down, slow or overrun, and callers that leave."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest
from fixtures.postgresql import new_server
from sqlalchemy import select

from rewardsvc.errors import Overloaded, RewardServiceError
from rewardsvc.store import (
    Database,
    StoreUnavailable,
    connections,
    parse_address,
    revisions,
)
from rewardsvc.store.database import MOST_WAITING, THREADS
from rewardsvc.store.schema import revision


async def test_a_database_that_stops_and_starts_again():
    server = new_server()
    opened = Database(parse_address(server.new_database()))
    try:
        await opened.open()
        server.stop()
        with pytest.raises(StoreUnavailable, match=r"the store at postgresql://.*: .*") as caught:
            await opened.read(revisions.current)
        assert caught.value.code == "UNAVAILABLE"
        assert caught.value.retry_after_seconds > 0
        server.start()
        assert await opened.read(revisions.current) == 0
    finally:
        await opened.close()
        server.remove()


async def test_nobody_at_the_address(tmp_path):
    opened = Database(parse_address("postgresql://trainer:s3cret@127.0.0.1:1/rewards"))
    with pytest.raises(StoreUnavailable, match="refused") as caught:
        await opened.open()
    assert "s3cret" not in str(caught.value)
    await opened.close()


async def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "store.db").write_text("not a database, but long enough to be looked at" * 100)
    opened = Database(parse_address("sqlite:///store.db", tmp_path))
    with pytest.raises(RewardServiceError, match="not a database"):
        await opened.open()
    await opened.close()


async def test_a_writer_waits_for_another_process_and_then_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.1)
    opened = Database(parse_address("sqlite:///store.db", tmp_path))
    await opened.open()
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await opened.write(revisions.advance)
    assert await opened.read(revisions.current) == 0  # readers never wait for a writer
    other.execute("COMMIT")
    await opened.write(revisions.advance)
    assert await opened.read(revisions.current) == 1
    other.close()
    await opened.close()


async def test_work_that_raises_leaves_nothing_behind(database):
    def half(connection):
        revisions.advance(connection)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(half)
    assert await database.read(revisions.current) == 0


async def test_the_loop_is_free_and_too_many_callers_are_refused(database):
    release = threading.Event()

    def wait(connection):
        connection.execute(select(revision.c.value))
        assert release.wait(60)

    held = [asyncio.create_task(database.read(wait)) for _ in range(_limit())]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="wait for the store"):
        await database.read(revisions.current)
    release.set()
    await asyncio.gather(*held)
    assert await database.read(revisions.current) == 0


async def test_a_caller_who_leaves_does_not_undo_what_has_begun(database):
    begun, release = threading.Event(), threading.Event()

    def slow(connection):
        begun.set()
        assert release.wait(60)
        revisions.advance(connection)

    task = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    await database.close()  # waits for it
    reopened = Database(database.address)
    assert await reopened.read(revisions.current) == 1
    await reopened.close()


async def test_a_closed_store_says_so(database):
    await database.close()
    await database.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await database.read(revisions.current)


def _limit():
    return THREADS + MOST_WAITING
