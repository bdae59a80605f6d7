"""for how long we listened for the ping that a rule waits for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("standings", sa.Column("listened", sa.BigInteger(), server_default="0", nullable=False))
