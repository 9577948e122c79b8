"""Brings the tables up to date, once, however many replicas start at the same time.

Everything happens in one transaction under a lock: an advisory lock of PostgreSQL, SQLite's
write lock. Whoever comes second finds the work done. Only steps forward are taken: a store
that a newer release has changed is refused, not guessed at.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from rewardsvc.errors import ConfigError

# It tells every start how it talks to which database.
logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x72657761726473  # "rewards": any number that nobody else locks


def newest() -> str:
    """The revision that `migrate` arrives at."""
    head = ScriptDirectory(str(_FOLDER)).get_current_head()
    if head is None:
        raise RuntimeError(f"no migrations in {_FOLDER}")
    return head


def current(connection: Connection) -> str | None:
    """The revision that the store is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(connection: Connection) -> None:
    """Takes every step that is missing, within the connection's transaction.

    On SQLite the transaction must hold the write lock already.

    Raises:
        ConfigError: the store is at a revision that this release does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    at = current(connection)
    if at == newest():
        return
    known = {script.revision for script in ScriptDirectory(str(_FOLDER)).walk_revisions()}
    if at is not None and at not in known:
        raise ConfigError(
            f"the store is at revision {at!r}, which a newer release of rewardsvc made; "
            f"this one knows {', '.join(sorted(known))}: run the newer release"
        )
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
