"""Instants and spans: `google.protobuf.Timestamp` and `Duration` against datetime and timedelta."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from mnemon_service.model.errors import InvalidArgument

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS: Final = range(-62_135_596_800, 253_402_300_800)
"""Year 1 to year 9999, what both RFC 3339 and datetime can say."""


def from_timestamp(stamp: Timestamp, field: str) -> datetime:
    """The instant in UTC, to the microsecond. Raises `InvalidArgument` outside years 1 to 9999."""
    if stamp.seconds not in _SECONDS or not 0 <= stamp.nanos < 1_000_000_000:
        raise InvalidArgument.of(field, "must be a time between the years 1 and 9999")
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def set_timestamp(target: Timestamp, instant: datetime | None) -> None:
    """Writes an instant into a message's field; leaves it absent for None."""
    if instant is None:
        return
    since = instant - _EPOCH
    target.seconds = since.days * 86_400 + since.seconds
    target.nanos = since.microseconds * 1000


def from_duration(span: Duration, field: str) -> timedelta:
    """The span, to the microsecond. Raises `InvalidArgument` past what a timedelta can say."""
    try:
        return timedelta(seconds=span.seconds, microseconds=span.nanos // 1000)
    except OverflowError:
        raise InvalidArgument.of(field, "is too long") from None
