"""The caller's JSON values, and their bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.struct_pb2 import Struct

from mnemon_service.model.errors import InvalidArgument

MAXIMUM_BYTES: Final = 65_536
MAXIMUM_DEPTH: Final = 16
_WIRE_BYTES_A_JSON_BYTE: Final = 6
"""A Struct takes at most about so many times the bytes of its JSON: a number of one digit in a list takes
two bytes as JSON and eleven on the wire."""


def from_struct(struct: Struct, field: str) -> dict[str, Any]:
    """The values as Python has them; whole numbers become integers.

    Raises `InvalidArgument` for more than 64 KiB as JSON, more than 16 levels, or a number that JSON
    cannot say (NaN, infinity).
    """
    if not struct.fields:
        return {}
    if struct.ByteSize() > _WIRE_BYTES_A_JSON_BYTE * MAXIMUM_BYTES:
        raise _too_large(field)
    values = {key: _plain(value, field, 1) for key, value in struct.fields.items()}
    check_size(values, field)
    return values


def check_size(values: Mapping[str, Any], field: str) -> None:
    """Raises `InvalidArgument` for more than 64 KiB as JSON."""
    if not fits(values):
        raise _too_large(field)


def fits(values: Mapping[str, Any]) -> bool:
    """True if the values take at most 64 KiB as JSON."""
    return len(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()) <= MAXIMUM_BYTES


def _too_large(field: str) -> InvalidArgument:
    return InvalidArgument.of(field, f"must be at most {MAXIMUM_BYTES:,} bytes as JSON")


def _plain(value: Any, field: str, depth: int) -> Any:  # noqa: ANN401 (JSON)
    if depth > MAXIMUM_DEPTH:
        raise InvalidArgument.of(field, "must be at most 16 levels deep")
    match value.WhichOneof("kind"):
        case "number_value":
            return _number(value.number_value, field)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return {key: _plain(item, field, depth + 1) for key, item in value.struct_value.fields.items()}
        case "list_value":
            return [_plain(item, field, depth + 1) for item in value.list_value.values]
        case _:
            return None


def _number(number: float, field: str) -> int | float:
    if not math.isfinite(number):
        raise InvalidArgument.of(field, "must hold finite numbers only")
    return int(number) if number.is_integer() and abs(number) <= 2**53 else number


def to_struct(values: Mapping[str, Any], target: Struct) -> None:
    """Writes JSON values into a message's field."""
    if values:
        target.update(values)
