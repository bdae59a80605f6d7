"""for how long we listened for the ping that a rule waits for, and by how much stalls of ours have put a deadline off"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table, column in (("standings", "listened"), ("standings", "held"), ("beats", "held")):
        op.add_column(table, sa.Column(column, sa.BigInteger(), server_default="0", nullable=False))
