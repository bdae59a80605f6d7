"""history that is old can be found and forgotten; numbers of forgotten transitions are not given again"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("ix_incidents_resolved_at", "incidents", ["resolved_at"])
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"])
    with op.batch_alter_table("transitions", recreate="always", table_kwargs={"sqlite_autoincrement": True}):
        pass
