"""The tables, as the newest migration leaves them; a test compares the two.

Names of rewards and scorers are text, not keys of other tables: a label outlives the
configuration that its sample was scored by.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    true,
)


class UtcTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on either database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Makes it UTC; a naive time is a mistake."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """SQLite hands back what it was given, without the zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

labels = Table(
    "labels",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reward", Text, nullable=False),
    Column("scorer", Text, nullable=False),
    Column("sample_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("cluster_id", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("score", Float),
    Column("outcome", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("answer_type", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("inclusion_probability", Float, nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    UniqueConstraint("reward", "scorer", "sample_id", "source"),
    CheckConstraint("value >= 0 AND value <= 1", name="value"),
    CheckConstraint(
        "inclusion_probability > 0 AND inclusion_probability <= 1", name="inclusion_probability"
    ),
)

calibrators = Table(
    "calibrators",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reward", Text, nullable=False),
    Column("scorer", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("labels", Integer, nullable=False),
    Column("clusters", Integer, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("fitted_at", UtcTime, nullable=False),
    Column("in_force", Boolean, nullable=False),
    UniqueConstraint("reward", "scorer", "domain", "version"),
)
Index(
    "ix_calibrators_in_force",
    calibrators.c.reward,
    calibrators.c.scorer,
    calibrators.c.domain,
    unique=True,
    sqlite_where=calibrators.c.in_force == true(),
    postgresql_where=calibrators.c.in_force == true(),
)

noise_estimates = Table(
    "noise_estimates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reward", Text, nullable=False),
    Column("scorer", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("labels", Integer, nullable=False),
    Column("estimated_at", UtcTime, nullable=False),
    Column("in_force", Boolean, nullable=False),
    UniqueConstraint("reward", "scorer", "version"),
)
Index(
    "ix_noise_estimates_in_force",
    noise_estimates.c.reward,
    noise_estimates.c.scorer,
    unique=True,
    sqlite_where=noise_estimates.c.in_force == true(),
    postgresql_where=noise_estimates.c.in_force == true(),
)

audits = Table(
    "audits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reward", Text, nullable=False),
    Column("scorer", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("sample_id", Text, nullable=False),
    Column("cluster_id", Text, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("stage", Text, nullable=False),
    Column("answer_type", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("inclusion_probability", Float, nullable=False),
    Column("sample", JSON),
    Column("state", Text, nullable=False),
    Column("value", Float),
    Column("judge", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("counted", Boolean, nullable=False, server_default=false()),
    Column("claimed_until", UtcTime),
    Column("attempts", Integer, nullable=False),
    Column("sampled_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    UniqueConstraint("reward", "scorer", "fingerprint"),
    CheckConstraint("state IN ('pending', 'done', 'failed')", name="state"),
)
Index("ix_audits_state", audits.c.state, audits.c.reward, audits.c.scorer, audits.c.id)

revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", Integer, nullable=False),
    CheckConstraint("id = 1", name="single"),
)
