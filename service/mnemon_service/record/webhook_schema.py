"""The tables of webhooks and their deliveries."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from mnemon_service.model.scope import SCOPE_FIELDS
from mnemon_service.record.schema import Json, Micros, String, metadata


def _string(name: str) -> sa.Column[str]:
    return sa.Column(name, String, nullable=False, server_default="")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, Micros, nullable=nullable)


webhooks: Final = sa.Table(
    "webhooks",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("id", String, nullable=False),
    _string("display_name"),
    _string("url"),
    sa.Column("events", Json, nullable=False),
    *(_string(field) for field in SCOPE_FIELDS),
    sa.Column("without_content", sa.Boolean, nullable=False, server_default=sa.text("false")),
    _string("state"),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    _number("read_sequence"),
    _number("version"),
    _time("create_time"),
    _string("lease_token"),
    _number("lease_expire_time"),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.Index("ix_webhooks_created", "project_id", "create_time", "id"),
)
"""`read_sequence` is the place in the log up to which deliveries were queued."""

webhook_deliveries: Final = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("webhook_id", String, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
    _string("id"),
    _string("memory_id"),
    _string("state"),
    _number("attempts"),
    _number("response_code"),
    _string("error"),
    _time("create_time", nullable=True),
    _time("update_time"),
    _time("retry_time", nullable=True),
    sa.PrimaryKeyConstraint("project_id", "webhook_id", "sequence"),
    sa.Index("ix_webhook_deliveries_state", "project_id", "webhook_id", "state", "sequence"),
    sa.Index("ix_webhook_deliveries_memory", "project_id", "webhook_id", "state", "memory_id", "sequence"),
    sa.Index("ix_webhook_deliveries_due", "state", "retry_time"),
    sa.Index("ix_webhook_deliveries_ended", "state", "update_time"),
)
"""One row for each change to be sent to one webhook. It holds no content: what is sent is read from the
log at that moment, so an erasure has nothing to find here."""
