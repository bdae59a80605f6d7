"""What Alembic runs to find the database and the tables.

All that is to be done is one transaction, with the revision that it leads to: after a crash or on a full disk nothing of it has happened.
"""

from __future__ import annotations

import sqlite3

from alembic import context
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from store.control.tables import metadata

url = context.config.get_main_option("sqlalchemy.url")
assert url is not None
# Left to itself, Python's sqlite3 begins no transaction for CREATE and ALTER: each would be kept at once, without the revision.
engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None})


@event.listens_for(engine, "connect")
def prepare(connection: sqlite3.Connection, _record: object) -> None:
    # A table is altered by dropping it for its copy: with foreign keys that would delete what refers to it. No change within a transaction.
    connection.execute("PRAGMA foreign_keys=OFF")


@event.listens_for(engine, "begin")
def begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


with engine.begin() as connection:  # Alembic begins none of its own where there is one
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    context.run_migrations()
