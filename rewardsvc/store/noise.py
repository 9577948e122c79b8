"""The table of noise estimates: every version ever made, at most one in force a scorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, insert, select, true, update

from rewardsvc.store import revisions
from rewardsvc.store.schema import noise_estimates


class ScorerKey(NamedTuple):
    """A scorer of a reward."""

    reward: str
    scorer: str


@dataclass(frozen=True, slots=True)
class StoredNoise:
    """A noise estimate as JSON, and how many labels it rests on."""

    key: ScorerKey
    version: str
    payload: Mapping[str, Any]
    labels: int
    estimated_at: datetime


def put_in_force(connection: Connection, estimate: StoredNoise) -> None:
    """Stores an estimate and puts it in the place of the one in force."""
    revisions.advance(connection)  # first: from here on nobody else changes what is in force
    mine = _of(estimate.key)
    in_force = noise_estimates.c.in_force
    connection.execute(
        update(noise_estimates).where(mine, in_force == true()).values(in_force=False)
    )
    this = and_(mine, noise_estimates.c.version == estimate.version)
    known = connection.execute(update(noise_estimates).where(this).values(in_force=True))
    if known.rowcount == 0:
        connection.execute(
            insert(noise_estimates).values(
                reward=estimate.key.reward,
                scorer=estimate.key.scorer,
                version=estimate.version,
                payload=dict(estimate.payload),
                labels=estimate.labels,
                estimated_at=estimate.estimated_at,
                in_force=True,
            )
        )


def find(connection: Connection, key: ScorerKey, version: str = "") -> StoredNoise | None:
    """A version of an estimate; the one in force when `version` is empty."""
    c = noise_estimates.c
    which = c.version == version if version else c.in_force == true()
    row = connection.execute(select(noise_estimates).where(_of(key), which)).mappings().first()
    return None if row is None else _stored(row)


def all_in_force(connection: Connection) -> list[StoredNoise]:
    """Every estimate in force."""
    query = select(noise_estimates).where(noise_estimates.c.in_force == true())
    return [_stored(row) for row in connection.execute(query).mappings()]


def versions_in_force(connection: Connection) -> dict[ScorerKey, str]:
    """The version in force for each scorer, without its content."""
    c = noise_estimates.c
    query = select(c.reward, c.scorer, c.version).where(c.in_force == true())
    return {
        ScorerKey(reward, scorer): version for reward, scorer, version in connection.execute(query)
    }


def _of(key: ScorerKey) -> ColumnElement[bool]:
    c = noise_estimates.c
    return and_(c.reward == key.reward, c.scorer == key.scorer)


def _stored(row: Mapping[Any, Any]) -> StoredNoise:
    return StoredNoise(
        ScorerKey(row["reward"], row["scorer"]),
        row["version"],
        row["payload"],
        row["labels"],
        row["estimated_at"],
    )
