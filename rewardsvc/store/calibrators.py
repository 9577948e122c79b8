"""The table of calibrators: every version ever fitted, at most one in force for each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, insert, select, true, update

from rewardsvc.store import revisions
from rewardsvc.store.schema import calibrators


class CalibratorKey(NamedTuple):
    """What a calibrator is for; an empty domain is all domains."""

    reward: str
    scorer: str
    domain: str


@dataclass(frozen=True, slots=True)
class StoredCalibrator:
    """A fitted calibrator as JSON, and what it was fitted on."""

    key: CalibratorKey
    version: str
    method: str
    payload: Mapping[str, Any]
    labels: int
    clusters: int
    warnings: tuple[str, ...]
    fitted_at: datetime


def put_in_force(connection: Connection, calibrator: StoredCalibrator) -> StoredCalibrator:
    """Stores a calibrator and puts it in the place of the one in force.

    A version that is known already is put in force again, with the warnings of this fit and
    otherwise as it was stored. Returns what is in force now.
    """
    revisions.advance(connection)  # first: from here on nobody else changes what is in force
    key = calibrator.key
    connection.execute(
        update(calibrators).where(_of(key), calibrators.c.in_force == true()).values(in_force=False)
    )
    known = find(connection, key, calibrator.version)
    if known is not None:
        this = and_(_of(key), calibrators.c.version == calibrator.version)
        connection.execute(
            update(calibrators)
            .where(this)
            .values(in_force=True, warnings=list(calibrator.warnings))
        )
        return replace(known, warnings=calibrator.warnings)
    connection.execute(
        insert(calibrators).values(
            reward=key.reward,
            scorer=key.scorer,
            domain=key.domain,
            version=calibrator.version,
            method=calibrator.method,
            payload=dict(calibrator.payload),
            labels=calibrator.labels,
            clusters=calibrator.clusters,
            warnings=list(calibrator.warnings),
            fitted_at=calibrator.fitted_at,
            in_force=True,
        )
    )
    return calibrator


def find(connection: Connection, key: CalibratorKey, version: str = "") -> StoredCalibrator | None:
    """A version of a calibrator; the one in force when `version` is empty."""
    which = calibrators.c.version == version if version else calibrators.c.in_force == true()
    row = connection.execute(select(calibrators).where(_of(key), which)).mappings().first()
    return None if row is None else _stored(row)


def all_in_force(connection: Connection) -> list[StoredCalibrator]:
    """Every calibrator in force."""
    query = select(calibrators).where(calibrators.c.in_force == true())
    return [_stored(row) for row in connection.execute(query).mappings()]


def versions_in_force(connection: Connection) -> dict[CalibratorKey, str]:
    """The version in force for each key, without its content."""
    c = calibrators.c
    query = select(c.reward, c.scorer, c.domain, c.version).where(c.in_force == true())
    return {CalibratorKey(*key): version for *key, version in connection.execute(query)}


def versions_of(connection: Connection, key: CalibratorKey) -> list[str]:
    """Every version, oldest first."""
    query = select(calibrators.c.version).where(_of(key)).order_by(calibrators.c.id)
    return list(connection.execute(query).scalars())


def _of(key: CalibratorKey) -> ColumnElement[bool]:
    c = calibrators.c
    return and_(c.reward == key.reward, c.scorer == key.scorer, c.domain == key.domain)


def _stored(row: Mapping[Any, Any]) -> StoredCalibrator:
    return StoredCalibrator(
        CalibratorKey(row["reward"], row["scorer"], row["domain"]),
        row["version"],
        row["method"],
        row["payload"],
        row["labels"],
        row["clusters"],
        tuple(row["warnings"]),
        row["fitted_at"],
    )
