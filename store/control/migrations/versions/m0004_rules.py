"""rules, how each stands with each monitor, and when we were not listening"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_STANDING_ALERTS = """
INSERT INTO standings (rule, monitor_id, state, breaches, clears, active_at, incident_id, reopened, health)
SELECT id, monitor_id, state, breaches, 0, last_sample_at, incident_id, 0, 'ok' FROM metric_alerts
WHERE state != 'ok' OR breaches > 0
"""


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_rules")),
    )
    op.create_table(
        "standings",
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("monitor_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("breaches", sa.Integer(), nullable=False),
        sa.Column("clears", sa.Integer(), nullable=False),
        sa.Column("active_at", sa.BigInteger(), nullable=True),
        sa.Column("clear_at", sa.BigInteger(), nullable=True),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("sampled_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("expected_at", sa.BigInteger(), nullable=True),
        sa.Column("incident_id", sa.String(), nullable=True),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.Column("health", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["monitor_id"], ["monitors.id"], name=op.f("fk_standings_monitor_id_monitors"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("rule", "monitor_id", name=op.f("pk_standings")),
    )
    op.create_index("ix_standings_monitor_id", "standings", ["monitor_id"])
    op.create_index("ix_standings_due_at", "standings", ["due_at"], sqlite_where=sa.text("due_at IS NOT NULL"))
    op.create_table(
        "gaps",
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("at", name=op.f("pk_gaps")),
    )
    op.create_index("ix_gaps_end", "gaps", ["end"])
    op.drop_index("ix_monitors_deleted_at", "monitors")
    op.create_index("ix_monitors_deleted_at", "monitors", ["deleted_at"], sqlite_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_index("ix_beats_expected_at", "beats")
    op.add_column("monitors", sa.Column("min_run", sa.Integer(), nullable=True))
    op.add_column("monitors", sa.Column("start_by", sa.Integer(), nullable=True))
    op.add_column("beats", sa.Column("listened", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("beats", sa.Column("health", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("carried_by", sa.String(), nullable=True))
    # What an alert watches for stays where it is; how it stands moves to where all rules stand.
    op.execute(_STANDING_ALERTS)
    for name in ("state", "breaches", "last_sample_at", "incident_id"):
        op.drop_column("metric_alerts", name)
