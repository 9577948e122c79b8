"""The counter that tells replicas that something in force has changed.

Whoever changes what is in force raises it in the same transaction. Its row is locked until
that commits, so a reader who sees a number also sees everything that came before it.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from rewardsvc.store.schema import revision


def current(connection: Connection) -> int:
    """The number of changes so far."""
    return int(connection.execute(select(revision.c.value)).scalar_one())


def hold(connection: Connection) -> None:
    """Holds back others who change something in force until this transaction ends."""
    connection.execute(select(revision.c.value).with_for_update())


def advance(connection: Connection) -> None:
    """Counts one more change; holds back others who change something until this commits."""
    connection.execute(update(revision).values(value=revision.c.value + 1))
