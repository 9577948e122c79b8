"""The table of audits: samples chosen to be judged again, and what came of it.

An audit is pending until some replica has claimed it and a judge has answered. A claim ends
by itself, so that the audits of a replica that died are taken up by another. The sample's
text is kept only while it is pending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    false,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from rewardsvc.store.noise import ScorerKey
from rewardsvc.store.schema import audits

MOST_ATTEMPTS = 3
"""Claims of one audit before it counts as failed."""
_KEY = ("reward", "scorer", "fingerprint")


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A sample chosen for a second opinion."""

    reward: str
    scorer: str
    fingerprint: str
    """Of the sample's content: the same response is audited once."""
    sample_id: str
    cluster_id: str
    accepted: bool
    """What the verifier concluded."""
    stage: str
    answer_type: str
    domain: str
    inclusion_probability: float
    sample: Mapping[str, Any]
    """Prompt, response and reference as JSON."""


@dataclass(frozen=True, slots=True)
class ClaimedAudit:
    """An audit to be done now."""

    id: int
    row: AuditRow


@dataclass(frozen=True, slots=True)
class FinishedAudit:
    """What came of an audit: how right the judge holds the response, or why it did not say."""

    id: int
    value: float | None
    judge: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """A judged audit, for estimates."""

    id: int
    accepted: bool
    value: float
    cluster_id: str
    stage: str
    answer_type: str
    domain: str
    inclusion_probability: float


def add(connection: Connection, rows: Sequence[AuditRow], now: datetime | None = None) -> int:
    """Stores audits as pending; returns how many of them are new."""
    if not rows:
        return 0
    dialects: Mapping[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}
    statement = (
        dialects[connection.dialect.name]
        .insert(audits)
        .on_conflict_do_nothing(index_elements=_KEY)
        .returning(audits.c.id)
    )
    common = {
        "state": "pending",
        "judge": "",
        "reason": "",
        "attempts": 0,
        "sampled_at": now or datetime.now(UTC),
    }
    ordered = sorted(rows, key=lambda row: (row.reward, row.scorer, row.fingerprint))
    return len(connection.execute(statement, [{**asdict(row), **common} for row in ordered]).all())


def claim(
    connection: Connection, key: ScorerKey, most: int, seconds: float, now: datetime | None = None
) -> list[ClaimedAudit]:
    """Takes the oldest pending audits that nobody else has claimed, for some seconds.

    Those that were claimed MOST_ATTEMPTS times without an answer become failed instead.
    """
    now = now or datetime.now(UTC)
    free = and_(
        _of(key),
        audits.c.state == "pending",
        or_(audits.c.claimed_until.is_(None), audits.c.claimed_until < now),
    )
    connection.execute(
        update(audits)
        .where(free, audits.c.attempts >= MOST_ATTEMPTS)
        .values(
            state="failed",
            reason=f"no answer in {MOST_ATTEMPTS} attempts",
            sample=null(),
            finished_at=now,
        )
    )
    found = (
        connection.execute(
            select(audits)
            .where(free)
            .order_by(audits.c.id)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        .mappings()
        .all()
    )
    connection.execute(
        update(audits)
        .where(audits.c.id.in_([row["id"] for row in found]))
        .values(claimed_until=now + timedelta(seconds=seconds), attempts=audits.c.attempts + 1)
    )
    names = AuditRow.__dataclass_fields__
    return [
        ClaimedAudit(row["id"], AuditRow(**{name: row[name] for name in names})) for row in found
    ]


def finish(
    connection: Connection, done: Sequence[FinishedAudit], now: datetime | None = None
) -> None:
    """Stores what came of some audits and forgets their texts."""
    if not done:
        return
    statement = (
        update(audits)
        .where(audits.c.id == bindparam("which"), audits.c.state == "pending")
        .values(
            state=bindparam("new_state"),
            value=bindparam("new_value"),
            judge=bindparam("new_judge"),
            reason=bindparam("new_reason"),
            sample=null(),
            claimed_until=None,
            finished_at=now or datetime.now(UTC),
        )
    )
    values = [
        {
            "which": audit.id,
            "new_state": "failed" if audit.value is None else "done",
            "new_value": audit.value,
            "new_judge": audit.judge,
            "new_reason": audit.reason,
        }
        for audit in done
    ]
    connection.execute(statement, values)


def uncounted(connection: Connection, key: ScorerKey) -> list[AuditOutcome]:
    """Judged audits that no estimate has counted yet, oldest first."""
    columns = [audits.c[name] for name in AuditOutcome.__dataclass_fields__]
    query = select(*columns).where(_of(key), audits.c.state == "done", audits.c.counted == false())
    return [AuditOutcome(*row) for row in connection.execute(query.order_by(audits.c.id))]


def mark_counted(connection: Connection, ids: Sequence[int]) -> None:
    """Notes that an estimate rests on these."""
    if ids:
        statement = update(audits).where(audits.c.id == bindparam("which")).values(counted=True)
        connection.execute(statement, [{"which": each} for each in ids])


def states(connection: Connection, key: ScorerKey) -> dict[str, int]:
    """How many audits of a scorer are in each state."""
    query = select(audits.c.state, func.count()).where(_of(key)).group_by(audits.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def forget(connection: Connection, before: datetime) -> int:
    """Deletes audits finished before a time that estimates have counted; returns how many."""
    old = and_(audits.c.finished_at < before, or_(audits.c.counted, audits.c.state == "failed"))
    return int(connection.execute(delete(audits).where(old)).rowcount)


def _of(key: ScorerKey) -> ColumnElement[bool]:
    return and_(audits.c.reward == key.reward, audits.c.scorer == key.scorer)
