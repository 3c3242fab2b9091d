"""What all types of the contract have in common."""

from __future__ import annotations

import base64
import dataclasses
import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any


class Word(str, enum.Enum):
    """An enum whose members are also strings: `MemoryType.SEMANTIC == "SEMANTIC"`."""

    def __str__(self) -> str:
        return str(self.value)


class Record:
    """A frozen object of the contract."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Its fields as JSON values: enums as words, times as RFC 3339, durations as seconds.

        Absent values, empty texts and empty lists are left out; numbers and booleans stay.
        """
        plain = {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        }
        return {name: value for name, value in plain.items() if value not in _EMPTY}


_EMPTY: tuple[Any, ...] = (None, "", [], {})


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC, as "2026-05-07T09:30:00Z"."""
    return time.isoformat().replace("+00:00", "Z")


def _plain(value: object) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, Word):
        return "" if value.value == "UNSPECIFIED" else value.value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value
