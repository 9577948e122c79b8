"""Labels, calibrators, noise estimates, audits, and the counter that replicas watch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables; the counter starts at 0."""
    _labels()
    _calibrators()
    _noise_estimates()
    _audits()
    counter = op.create_table(
        "revision",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
        sa.CheckConstraint("id = 1", name="ck_revision_single"),
    )
    op.bulk_insert(counter, [{"id": 1, "value": 0}])


def downgrade() -> None:
    """Drops everything."""
    for table in ("revision", "audits", "noise_estimates", "calibrators", "labels"):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _labels() -> None:
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer, nullable=False),
        *_texts("reward", "scorer", "sample_id", "source", "cluster_id"),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("score", sa.Float),
        *_texts("outcome", "stage", "answer_type", "domain"),
        sa.Column("inclusion_probability", sa.Float, nullable=False),
        _time("recorded_at"),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
        sa.UniqueConstraint(
            "reward",
            "scorer",
            "sample_id",
            "source",
            name="uq_labels_reward_scorer_sample_id_source",
        ),
        sa.CheckConstraint("value >= 0 AND value <= 1", name="ck_labels_value"),
        sa.CheckConstraint(
            "inclusion_probability > 0 AND inclusion_probability <= 1",
            name="ck_labels_inclusion_probability",
        ),
    )


def _calibrators() -> None:
    op.create_table(
        "calibrators",
        sa.Column("id", sa.Integer, nullable=False),
        *_texts("reward", "scorer", "domain", "version", "method"),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("labels", sa.Integer, nullable=False),
        sa.Column("clusters", sa.Integer, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        _time("fitted_at"),
        sa.Column("in_force", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calibrators"),
        sa.UniqueConstraint(
            "reward",
            "scorer",
            "domain",
            "version",
            name="uq_calibrators_reward_scorer_domain_version",
        ),
    )
    _one_in_force("calibrators", "reward", "scorer", "domain")


def _noise_estimates() -> None:
    op.create_table(
        "noise_estimates",
        sa.Column("id", sa.Integer, nullable=False),
        *_texts("reward", "scorer", "version"),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("labels", sa.Integer, nullable=False),
        _time("estimated_at"),
        sa.Column("in_force", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_noise_estimates"),
        sa.UniqueConstraint(
            "reward", "scorer", "version", name="uq_noise_estimates_reward_scorer_version"
        ),
    )
    _one_in_force("noise_estimates", "reward", "scorer")


def _one_in_force(table: str, *columns: str) -> None:
    """At most one row of each key is in force, whatever two replicas do at once."""
    in_force = sa.column("in_force", sa.Boolean) == sa.true()
    op.create_index(
        f"ix_{table}_in_force",
        table,
        list(columns),
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )


def _audits() -> None:
    op.create_table(
        "audits",
        sa.Column("id", sa.Integer, nullable=False),
        *_texts("reward", "scorer", "fingerprint", "sample_id", "cluster_id"),
        sa.Column("accepted", sa.Boolean, nullable=False),
        *_texts("stage", "answer_type", "domain"),
        sa.Column("inclusion_probability", sa.Float, nullable=False),
        sa.Column("sample", sa.JSON),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("value", sa.Float),
        *_texts("judge", "reason"),
        sa.Column("counted", sa.Boolean, nullable=False, server_default=sa.false()),
        _time("claimed_until", nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        _time("sampled_at"),
        _time("finished_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audits"),
        sa.UniqueConstraint(
            "reward", "scorer", "fingerprint", name="uq_audits_reward_scorer_fingerprint"
        ),
        sa.CheckConstraint("state IN ('pending', 'done', 'failed')", name="ck_audits_state"),
    )
    op.create_index("ix_audits_state", "audits", ["state", "reward", "scorer", "id"])
