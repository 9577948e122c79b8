"""Connections to either database, set up so that none waits for ever.

SQLite: write-ahead log (readers and one writer at a time, of any process of the machine; not
on a network file system), a busy timeout, foreign keys, every commit durable. A transaction
that writes takes the write lock at its start: one that turned into a writer later could be
refused at once, without the busy timeout.

PostgreSQL: limits on connecting, on waiting for locks and on statements; a host that vanished
is noticed.
"""

from __future__ import annotations

import json
import sqlite3
import time
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from rewardsvc.store.address import StoreAddress

BUSY_SECONDS = 10.0
"""Longest wait for another transaction's lock."""
_STATEMENT_SECONDS = 120.0
_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 10.0
_WRITES = "rewardsvc_writes"


def connect(address: StoreAddress, connections: int) -> Engine:
    """An engine of at most `connections` connections, none of which is open yet."""
    engine = create_engine(
        address.url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=address.kind == "postgresql",
        # Only numbers that JSON and both databases know.
        json_serializer=partial(json.dumps, allow_nan=False, separators=(",", ":")),
        connect_args=_sqlite_arguments() if address.kind == "sqlite" else _postgresql_arguments(),
    )
    if address.kind == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def reading(engine: Engine) -> Engine:
    """The same engine, whose transactions see the store as it was at their first read."""
    if engine.dialect.name == "sqlite":
        return engine  # always so
    return engine.execution_options(isolation_level="REPEATABLE READ")


def writing(engine: Engine) -> Engine:
    """The same engine, whose transactions take the write lock at their start."""
    return engine.execution_options(**{_WRITES: True})


def _sqlite_arguments() -> dict[str, Any]:
    # The pool hands a connection to one thread at a time.
    return {"timeout": BUSY_SECONDS, "check_same_thread": False}


def _postgresql_arguments() -> dict[str, Any]:
    limits = {
        "lock_timeout": BUSY_SECONDS,
        "statement_timeout": _STATEMENT_SECONDS,
        "idle_in_transaction_session_timeout": _STATEMENT_SECONDS,
    }
    return {
        "connect_timeout": int(_CONNECT_SECONDS),
        "keepalives_idle": int(_SILENT_SECONDS),
        "keepalives_interval": 2,
        "keepalives_count": 5,
        "tcp_user_timeout": int(_SILENT_SECONDS * 1000),
        "application_name": "rewardsvc",
        "options": " ".join(f"-c {name}={int(value * 1000)}" for name, value in limits.items()),
    }


def _set_up_sqlite(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            # Two processes that both turn a new file to WAL: the busy timeout does not
            # cover it, and the mode stays once set.
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
