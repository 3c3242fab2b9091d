"""The tables of keys, settings, quotas and the audit log. Migration 0002 makes them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from mnemon_service.model.scope import SCOPE_FIELDS
from mnemon_service.record.schema import Json, Micros, String, metadata


def _string(name: str) -> sa.Column[str]:
    return sa.Column(name, String, nullable=False, server_default="")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _time(name: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, Micros, nullable=nullable)


api_keys: Final = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", String, nullable=False),
    _string("project_id"),
    sa.Column("secret_hash", sa.LargeBinary, nullable=False),
    _string("display_name"),
    _number("role"),
    *(_string(field) for field in SCOPE_FIELDS),
    sa.Column("limits", Json, nullable=False),
    _time("create_time", nullable=False),
    _time("expire_time"),
    _time("revoke_time"),
    _time("last_use_time"),
    sa.PrimaryKeyConstraint("id"),
    sa.Index("ix_api_keys_project", "project_id", "create_time", "id"),
)

project_settings: Final = sa.Table(
    "project_settings",
    metadata,
    sa.Column("project_id", String, nullable=False),
    _number("version"),
    _time("update_time", nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.PrimaryKeyConstraint("project_id"),
)

audit_log: Final = sa.Table(
    "audit_log",
    metadata,
    sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
    _time("record_time", nullable=False),
    _string("key_id"),
    _number("role"),
    _string("action"),
    _string("resource"),
    _string("detail"),
    _string("project"),
    _string("hash"),
    sa.PrimaryKeyConstraint("sequence"),
    sa.Index("ix_audit_log_project", "project", "sequence"),
)
"""Its column is `project`, not `project_id`: the log outlives the projects in it."""

audit_head: Final = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.BigInteger, nullable=False, autoincrement=False),
    _number("sequence"),
    _string("hash"),
    sa.PrimaryKeyConstraint("id"),
)
"""One row: where the audit log ends. Its lock orders the writers, and it shows a cut-off tail."""

revisions: Final = sa.Table(
    "revisions",
    metadata,
    sa.Column("name", String, nullable=False),
    _number("value"),
    sa.PrimaryKeyConstraint("name"),
)
"""Counters that move with each change of what replicas cache."""

daily_use: Final = sa.Table(
    "daily_use",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("day", String, nullable=False),
    sa.Column("subject", String, nullable=False),
    sa.Column("quota", String, nullable=False),
    _number("used"),
    sa.PrimaryKeyConstraint("project_id", "day", "subject", "quota"),
)
"""What is used of each quota of a day; `subject` is a key's id, or empty for the project as a whole."""

rate_buckets: Final = sa.Table(
    "rate_buckets",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("subject", String, nullable=False),
    _time("full_time", nullable=False),
    sa.PrimaryKeyConstraint("project_id", "subject"),
)
"""When the bucket of requests of a project or a key (`subject`, as above) will be full. Migration 0008 makes
it."""

place_leases: Final = sa.Table(
    "place_leases",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("subject", String, nullable=False),
    sa.Column("kind", String, nullable=False),
    sa.Column("replica", String, nullable=False),
    _number("places"),
    _time("expire_time", nullable=False),
    sa.PrimaryKeyConstraint("project_id", "subject", "kind", "replica"),
    sa.Index("ix_place_leases_replica", "replica"),
)
"""How many calls or streams (`kind`) of a subject each replica may have open. Migration 0009 makes it."""
