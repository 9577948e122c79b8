"""The table of gold labels: one a sample and source; a new one takes an older one's place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, and_, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from rewardsvc.store.schema import labels

CHUNK = 1_000
"""Labels of one statement."""
_KEY = ("reward", "scorer", "sample_id", "source")
_CONTENT = (
    "cluster_id",
    "value",
    "score",
    "outcome",
    "stage",
    "answer_type",
    "domain",
    "inclusion_probability",
)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """The truth about one sample of a scorer of a reward, as stored."""

    sample_id: str
    source: str
    cluster_id: str
    value: float
    score: float | None = None
    outcome: str = ""
    stage: str = ""
    answer_type: str = ""
    domain: str = ""
    inclusion_probability: float = 1.0


_FIELDS = tuple(LabelRow.__dataclass_fields__)


def record(
    connection: Connection,
    reward: str,
    scorer: str,
    rows: Iterable[LabelRow],
    now: datetime | None = None,
) -> int:
    """Stores labels; returns how many took the place of a label that said something else.

    No two rows may have one sample and source. Storing the same labels again changes nothing,
    so a caller who had no answer may repeat the call.
    """
    common = {"reward": reward, "scorer": scorer, "recorded_at": now or datetime.now(UTC)}
    # In one order for every caller, so that two of them never wait for each other.
    ordered = sorted(rows, key=lambda row: (row.sample_id, row.source))
    replaced = 0
    for chunk in _chunks(ordered):
        values = [{**{name: getattr(row, name) for name in _FIELDS}, **common} for row in chunk]
        added = _added(connection, values)
        rest = [value for value in values if (value["sample_id"], value["source"]) not in added]
        if rest:
            replaced += _replaced(connection, rest)
    return replaced


def labels_of(
    connection: Connection, reward: str, scorer: str, domain: str = "", limit: int | None = None
) -> list[LabelRow]:
    """The labels of a scorer, by order of recording; of all domains when `domain` is empty.

    With `limit`, the newest ones only.
    """
    columns = [labels.c[name] for name in _FIELDS]
    query = select(*columns).where(_of(reward, scorer, domain))
    query = query.order_by(labels.c.recorded_at.desc(), labels.c.id.desc()).limit(limit)
    found = [LabelRow(*row) for row in connection.execute(query)]
    found.reverse()
    return found


def count(connection: Connection, reward: str, scorer: str, domain: str = "") -> Mapping[str, int]:
    """How many labels a scorer has, by source."""
    query = select(labels.c.source, func.count()).where(_of(reward, scorer, domain))
    found = connection.execute(query.group_by(labels.c.source)).all()
    return {row[0]: row[1] for row in found}


def _of(reward: str, scorer: str, domain: str) -> ColumnElement[bool]:
    mine = and_(labels.c.reward == reward, labels.c.scorer == scorer)
    return and_(mine, labels.c.domain == domain) if domain else mine


def _added(connection: Connection, values: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Adds the labels that have no earlier one; returns their samples and sources."""
    statement = (
        _insert(connection)
        .on_conflict_do_nothing(index_elements=_KEY)
        .returning(labels.c.sample_id, labels.c.source)
    )
    return {(sample_id, source) for sample_id, source in connection.execute(statement, values)}


def _replaced(connection: Connection, values: Sequence[Mapping[str, Any]]) -> int:
    """Overwrites labels that say something else; returns how many did."""
    insert = _insert(connection)
    new = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=_KEY,
        set_={name: new[name] for name in (*_CONTENT, "recorded_at")},
        where=or_(*(labels.c[name].is_distinct_from(new[name]) for name in _CONTENT)),
    ).returning(labels.c.id)
    return len(connection.execute(statement, values).all())


def _insert(connection: Connection) -> Any:
    dialects: Mapping[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}
    insert: Insert = dialects[connection.dialect.name].insert(labels)
    return insert


def _chunks(rows: Iterable[LabelRow]) -> Iterator[list[LabelRow]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
