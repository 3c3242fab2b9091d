"""Between Protobuf's well-known types and Python's: times, durations, JSON objects, enums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from mnemon._errors import InvalidArgumentError
from mnemon._record import Word

R = TypeVar("R")
W = TypeVar("W", bound=Word)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LARGEST_EXACT = 2.0**53
"""Doubles hold every whole number up to here."""


def read_time(message: Timestamp) -> datetime:
    """The instant in UTC, to the microsecond."""
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def parse_time(text: str) -> datetime:
    """The instant that an RFC 3339 text names; a bare date is its first instant in UTC."""
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        raise InvalidArgumentError.of("time", f"not an RFC 3339 time: {text!r}") from None
    return time.replace(tzinfo=timezone.utc) if len(text.strip()) == len("2026-05-07") else time


def write_time(value: datetime | str) -> Timestamp:
    """The message of an instant. A datetime without a time zone is refused: nobody knows when it is."""
    time = parse_time(value) if isinstance(value, str) else value
    if time.tzinfo is None:
        raise InvalidArgumentError.of("time", f"{value} has no time zone; give it one, as timezone.utc")
    since = time - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def read_duration(message: Duration) -> timedelta:
    """The span, to the microsecond."""
    return timedelta(seconds=message.seconds, microseconds=round(message.nanos / 1000))


def write_duration(value: timedelta | float) -> Duration:
    """The message of a span; a number counts seconds."""
    span = value if isinstance(value, timedelta) else timedelta(seconds=value)
    microseconds = span // timedelta(microseconds=1)
    sign = -1 if microseconds < 0 else 1
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    return Duration(seconds=sign * seconds, nanos=sign * rest * 1000)


def read_struct(message: Struct) -> dict[str, Any]:
    """The JSON object. JSON has one kind of number: whole ones are read as `int`."""
    return {key: read_value(value) for key, value in message.fields.items()}


def read_value(message: Value) -> Any:
    """The JSON value."""
    kind = message.WhichOneof("kind")
    if kind == "number_value":
        number = message.number_value
        return int(number) if number.is_integer() and abs(number) <= _LARGEST_EXACT else number
    if kind == "struct_value":
        return read_struct(message.struct_value)
    if kind == "list_value":
        return [read_value(item) for item in message.list_value.values]
    return None if kind in (None, "null_value") else getattr(message, kind)


def write_struct(value: Mapping[str, Any]) -> Struct:
    """The message of a JSON object."""
    return Struct(fields={str(key): write_value(item) for key, item in value.items()})


def write_value(value: Any) -> Value:
    """The message of a JSON value. Times become RFC 3339 strings, as in filters."""
    if value is None:
        return Value(null_value=0)  # type: ignore[arg-type]
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, (int, float)):
        return Value(number_value=value)
    if isinstance(value, str):
        return Value(string_value=str(value))
    if isinstance(value, datetime):
        return Value(string_value=write_time(value).ToJsonString())
    if isinstance(value, Mapping):
        return Value(struct_value=write_struct(value))
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (bytes, bytearray)):
        return Value(list_value=ListValue(values=[write_value(item) for item in value]))
    raise InvalidArgumentError.of("metadata", f"{type(value).__name__} is not a JSON value")


class EnumTable(Generic[W]):
    """The numbers of an enum's words."""

    def __init__(self, words: type[W], numbers: tuple[int, ...]) -> None:
        self.words = words
        self._unspecified = next(iter(words))
        self._by_number = dict(zip(numbers, words, strict=True))
        self._numbers = {word.value: number for number, word in self._by_number.items()}

    def read(self, number: int) -> W:
        """The word of a number; UNSPECIFIED for one that a newer server may send."""
        return self._by_number.get(number, self._unspecified)

    def word(self, value: W | str) -> W:
        """The member that a word names, in any case. Raises `InvalidArgumentError` for no such word."""
        name = str(value).upper()
        if name not in self._numbers:
            known = ", ".join(self._numbers)
            raise InvalidArgumentError.of(self.words.__name__, f"{value!r} is none of {known}")
        return self.words(name)

    def write(self, value: W | str | None) -> Any:
        """The number of a word; 0 for None."""
        return 0 if value is None else self._numbers[self.word(value).value]


def as_record(record: type[R], value: R | Mapping[str, Any]) -> R:
    """The value itself, or the record whose fields a mapping gives."""
    if isinstance(value, record):
        return value
    if not isinstance(value, Mapping):
        raise InvalidArgumentError.of(
            record.__name__, f"expected a {record.__name__} or a mapping, not {type(value).__name__}"
        )
    try:
        return record(**value)
    except TypeError as error:
        raise InvalidArgumentError.of(record.__name__, str(error).partition(") ")[2] or str(error)) from None
