"""Times as the record keeps them: whole microseconds since 1970-01-01T00:00Z."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Clock = Callable[[], datetime]
"""Tells the time, with its zone."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def utc_now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


def to_micros(time: datetime) -> int:
    """Exact for every year; a time without a zone is UTC."""
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def optional_micros(time: datetime | None) -> int | None:
    """As `to_micros`, None for None."""
    return None if time is None else to_micros(time)


def from_micros(micros: int) -> datetime:
    """The time in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def optional_time(micros: int | None) -> datetime | None:
    """As `from_micros`, None for None."""
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)
