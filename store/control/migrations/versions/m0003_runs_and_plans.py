"""runs and how long they took; ping keys, and what a monitor may be pinged by"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.control.projects import new_ping_key

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("projects") as table:
        table.add_column(sa.Column("ping_key", sa.String(), nullable=True))
    connection = op.get_bind()
    for project_id in connection.execute(sa.text("SELECT id FROM projects")).scalars().all():
        connection.execute(sa.text("UPDATE projects SET ping_key = :key WHERE id = :id"), {"key": new_ping_key(), "id": project_id})
    with op.batch_alter_table("projects") as table:
        table.alter_column("ping_key", existing_type=sa.String(), nullable=False)
        table.create_unique_constraint("uq_projects_ping_key", ["ping_key"])
    # Nothing but columns is added here: SQLite does that in place, whatever number of monitors there is.
    op.add_column("monitors", sa.Column("max_run", sa.Integer(), nullable=True))
    op.add_column("monitors", sa.Column("methods", sa.String(), server_default="", nullable=False))
    op.create_index("ix_monitors_project_id_slug", "monitors", ["project_id", "slug"])
    op.add_column("beats", sa.Column("run_due", sa.BigInteger(), nullable=True))
    op.add_column("beats", sa.Column("runs", sa.JSON(), nullable=True))
    op.create_index("ix_beats_run_due", "beats", ["run_due"], sqlite_where=sa.text("run_due IS NOT NULL"))
    op.create_table(
        "durations",
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("at", name=op.f("pk_durations")),
    )
