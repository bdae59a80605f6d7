"""The tables of the control store: who is monitored, how they are, and what is still to be told to whom.

Instants are nanoseconds since the epoch in 64-bit integers, durations seconds. The migrations in `store/control/migrations` build
these tables; a test holds both together.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

settings = Table(
    "settings",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("plan", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ping_key", String, nullable=False, unique=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
    Column("read_only", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

monitors = Table(
    "monitors",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("slug", String),
    Column("tags", JSON, nullable=False),
    Column("interval", Integer, nullable=False),
    Column("grace", Integer, nullable=False),
    Column("cron", String),
    Column("timezone", String, nullable=False),
    Column("max_run", Integer),
    Column("min_run", Integer),
    Column("start_by", Integer),
    Column("methods", String, nullable=False, server_default=""),
    Column("token", String, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    # Rises with every change of any monitor: workers ask for what is newer than what they have seen.
    Column("version", BigInteger, nullable=False, index=True),
    # A deleted monitor stays until every worker has seen it go and its points are forgotten.
    Column("deleted_at", BigInteger),
    Index("ix_monitors_project_id_name", "project_id", "name"),
    Index("ix_monitors_project_id_slug", "project_id", "slug"),
)
# Of the deleted ones alone: SQLite would think that it finds a few monitors by it for which this is NULL, and read all of them.
Index("ix_monitors_deleted_at", monitors.c.deleted_at, sqlite_where=monitors.c.deleted_at.is_not(None))

beats = Table(
    "beats",
    metadata,
    Column("monitor_id", ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True),
    Column("status", String, nullable=False),
    Column("last_ping_at", BigInteger),
    Column("expected_at", BigInteger),
    Column("deadline", BigInteger),
    Column("down_since", BigInteger),
    Column("incident_id", String),
    Column("run_due", BigInteger),
    Column("listened", BigInteger, nullable=False, server_default="0"),
    Column("held", BigInteger, nullable=False, server_default="0"),
    Column("health", Text),
    # A few runs of this monitor alone, read and written with it: a table of their own would cost settle a query for every batch.
    Column("runs", JSON(none_as_null=True)),
)
# What is due is found without looking at the monitors that wait in peace.
Index("ix_beats_deadline", beats.c.deadline, sqlite_where=beats.c.deadline.is_not(None))
Index("ix_beats_run_due", beats.c.run_due, sqlite_where=beats.c.run_due.is_not(None))

# How long the run took that a ping ended, by the ping's stamp: known when it is settled, gone when it is shipped.
durations = Table(
    "durations",
    metadata,
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Float, nullable=False),
)

metric_keys = Table(
    "metric_keys",
    metadata,
    Column("monitor_id", ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("number", Float),
    Column("text", Text),
    Column("last_at", BigInteger, nullable=False),
)

channels = Table(
    "channels",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("type", String, nullable=False),
    Column("config", JSON, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("last_error", Text),
    Column("last_error_at", BigInteger),
)

monitor_channels = Table(
    "monitor_channels",
    metadata,
    Column("monitor_id", ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True),
    Column("channel_id", ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True, index=True),
)

metric_alerts = Table(
    "metric_alerts",
    metadata,
    Column("id", String, primary_key=True),
    Column("monitor_id", ForeignKey("monitors.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("metric_key", String, nullable=False),
    Column("operator", String, nullable=False),
    Column("threshold", JSON, nullable=False),
    Column("channel_id", ForeignKey("channels.id", ondelete="SET NULL")),
    Column("consecutive", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# The rules of the YAML files as they were last accepted, in their order: what counts, whatever became of the files since.
rules = Table(
    "rules",
    metadata,
    Column("uid", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("rule", JSON, nullable=False),
)

# How rules and metric alerts stand with monitors. There is a row only where something is counted, fires, or waits for its time.
standings = Table(
    "standings",
    metadata,
    Column("rule", String, primary_key=True),
    Column("monitor_id", ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("state", String, nullable=False),
    Column("breaches", Integer, nullable=False),
    Column("clears", Integer, nullable=False),
    Column("active_at", BigInteger),
    Column("clear_at", BigInteger),
    Column("value", JSON(none_as_null=True)),
    Column("sampled_at", BigInteger),
    Column("due_at", BigInteger),
    Column("expected_at", BigInteger),
    Column("incident_id", String),
    Column("reopened", Integer, nullable=False),
    Column("health", String, nullable=False),
    Column("listened", BigInteger, nullable=False, server_default="0"),
    Column("held", BigInteger, nullable=False, server_default="0"),
)
Index("ix_standings_due_at", standings.c.due_at, sqlite_where=standings.c.due_at.is_not(None))

# When we were not listening, or could not store: windows and replays must not read silence into these times.
gaps = Table(
    "gaps",
    metadata,
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False, index=True),
    Column("reason", String, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("monitor_id", ForeignKey("monitors.id", ondelete="CASCADE"), nullable=False),
    Column("alert_id", String),
    Column("cause", String, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger, index=True),
    Column("resolution", String),
    Index("ix_incidents_monitor_id_opened_at", "monitor_id", "opened_at"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("monitor_id", ForeignKey("monitors.id", ondelete="CASCADE"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("from_status", String, nullable=False),
    Column("to_status", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("incident_id", String),
    Index("ix_transitions_monitor_id_at", "monitor_id", "at"),
    Index("ix_transitions_at", "at"),
    # A number is never given twice, whatever was forgotten: those who read on from a number would miss it.
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    # In the order of creation: what was said first about an incident is delivered first.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("channel_id", ForeignKey("channels.id", ondelete="CASCADE"), nullable=False),
    Column("incident_id", String),
    Column("sequence", Integer, nullable=False),
    Column("event", String, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("sent_at", BigInteger),
    Column("last_error", Text),
    # The notice that tells of this one among others.
    Column("carried_by", String),
    Index("ix_outbox_incident_id_channel_id", "incident_id", "channel_id"),
)
_WAITING = outbox.c.state.in_(("pending", "inflight"))
Index("ix_outbox_next_at", outbox.c.next_at, sqlite_where=_WAITING)

offsets = Table(
    "offsets",
    metadata,
    Column("journal", String, primary_key=True),
    Column("reader", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
