"""The tables of usage and of the request log."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from mnemon_service.record.schema import Micros, String, metadata


def _string(name: str) -> sa.Column[str]:
    return sa.Column(name, String, nullable=False, server_default="")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


COUNTED: Final = ("calls", "failed_calls", "input_tokens", "output_tokens", "memories_added", "searches")
"""What is counted."""

usage_days: Final = sa.Table(
    "usage_days",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("day", String, nullable=False),
    sa.Column("owner", String, nullable=False),
    sa.Column("model", String, nullable=False),
    *(_number(name) for name in COUNTED),
    sa.PrimaryKeyConstraint("project_id", "day", "owner", "model"),
    sa.Index("ix_usage_days_owner", "project_id", "owner"),
)
"""`day` as `2026-05-07`, UTC; `owner` as `Scope.owner`, empty for what belongs to no scope; `model` as
`openai/gpt-5-mini`, empty for calls of Mnemon itself."""

request_log: Final = sa.Table(
    "request_log",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("id", String, nullable=False),
    _string("request_id"),
    _string("method"),
    _string("code"),
    _string("reason"),
    _string("key_id"),
    sa.Column("milliseconds", sa.Double, nullable=False),
    sa.Column("start_time", Micros, nullable=False),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.Index("ix_request_log_start_time", "project_id", "start_time", "id"),
)
"""`id` is ours: callers may use one `request_id` for many calls."""
