"""Filters of requests, checked and in the domain's form."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from mnemon.v1 import filter_pb2
from mnemon_service.model.errors import InvalidArgument, Reason
from mnemon_service.model.filter import (
    KNOWN_FIELDS,
    MAXIMUM_DEPTH,
    MAXIMUM_LIST,
    MAXIMUM_NODES,
    METADATA_PREFIX,
    And,
    Comparison,
    FieldType,
    Filter,
    Not,
    Op,
    Or,
    Value,
)
from mnemon_service.wire.enums import OPERATORS

_LIST_OPERATORS = frozenset({Op.IN, Op.NOT_IN})
_ORDERING = frozenset({Op.GT, Op.GTE, Op.LT, Op.LTE})
_SUBSTRING = frozenset({Op.ICONTAINS, Op.STARTS_WITH})


def from_filter(message: filter_pb2.Filter, field: str = "filter") -> Filter:
    """The filter, checked against what its fields can hold.

    Raises `InvalidArgument` with the path of the wrong part: INVALID_FIELD for an unknown field, too many
    levels or nodes, a list without values or with too many, a NUL character; FILTER_TYPE_MISMATCH for a
    value of a type that the field cannot have.
    """
    return _Reader().read(message, field, 1)


class _Reader:
    """Counts nodes while it reads one filter."""

    def __init__(self) -> None:
        self._nodes = 0

    def read(self, message: filter_pb2.Filter, path: str, depth: int) -> Filter:
        self._nodes += 1
        if depth > MAXIMUM_DEPTH:
            raise InvalidArgument.of(path, f"filters nest at most {MAXIMUM_DEPTH} levels")
        if self._nodes > MAXIMUM_NODES:
            raise InvalidArgument.of(path, f"a filter has at most {MAXIMUM_NODES} nodes")
        kind = message.WhichOneof("kind")
        if kind == "and_group":
            return And(self._group(message.and_group, f"{path}.and_group", depth))
        if kind == "or_group":
            return Or(self._group(message.or_group, f"{path}.or_group", depth))
        if kind == "not_filter":
            return Not(self.read(message.not_filter, f"{path}.not_filter", depth + 1))
        return _comparison(message.comparison, f"{path}.comparison")

    def _group(self, group: filter_pb2.FilterGroup, path: str, depth: int) -> tuple[Filter, ...]:
        return tuple(
            self.read(part, f"{path}.filters[{place}]", depth + 1) for place, part in enumerate(group.filters)
        )


def _comparison(message: filter_pb2.Comparison, path: str) -> Comparison:
    operator = OPERATORS.from_wire(message.operator, Op.EQ)
    field_type = _field_type(message.field, f"{path}.field")
    if operator is Op.EXISTS:
        return Comparison(message.field, operator, (_presence(message, path),))
    placed = _placed_values(_plain(message.value, f"{path}.value"), operator, f"{path}.value")
    checked = tuple(_checked(value, field_type, operator, place) for place, value in placed)
    return Comparison(message.field, operator, checked)


def _field_type(name: str, path: str) -> FieldType:
    if name in KNOWN_FIELDS:
        return KNOWN_FIELDS[name]
    _refuse_nul(name, path)
    if name.startswith(METADATA_PREFIX) and all(name[len(METADATA_PREFIX) :].split(".")):
        return FieldType.JSON
    known = ", ".join(KNOWN_FIELDS)
    raise InvalidArgument.of(path, f"must be one of {known}, or metadata.<key>")


def _presence(message: filter_pb2.Comparison, path: str) -> bool:
    if not message.HasField("value"):
        return True
    if message.value.WhichOneof("kind") != "bool_value":
        raise InvalidArgument.of(f"{path}.value", "EXISTS takes true or false", Reason.FILTER_TYPE_MISMATCH)
    return message.value.bool_value


def _plain(value: Any, path: str) -> Any:  # noqa: ANN401 (a google.protobuf.Value)
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return _refuse_nul(value.string_value, path)
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value" and math.isfinite(value.number_value):
        return value.number_value
    if kind == "list_value":
        return [_plain(item, f"{path}[{place}]") for place, item in enumerate(value.list_value.values)]
    raise InvalidArgument.of(
        path,
        "must be a string, a finite number or a boolean, or a list of them for IN and NOT_IN",
        Reason.FILTER_TYPE_MISMATCH,
    )


def _refuse_nul(text: str, path: str) -> str:
    """No database keeps this character, so nothing can be compared with it."""
    if "\x00" in text:
        raise InvalidArgument.of(path, "must not contain the character NUL")
    return text


def _placed_values(given: Any, operator: Op, path: str) -> list[tuple[str, Any]]:  # noqa: ANN401 (JSON)
    """The values to compare with, each with its path."""
    if operator not in _LIST_OPERATORS:
        if isinstance(given, list):
            raise _mismatch(path, f"{operator} takes a single value")
        return [(path, given)]
    if not isinstance(given, list):
        raise _mismatch(path, f"{operator} takes a list of values")
    if not 1 <= len(given) <= MAXIMUM_LIST:
        raise InvalidArgument.of(path, f"{operator} takes a list of 1 to {MAXIMUM_LIST} values")
    return [(f"{path}[{place}]", value) for place, value in enumerate(given)]


def _checked(value: Any, field_type: FieldType, operator: Op, path: str) -> Value:  # noqa: ANN401 (JSON)
    if isinstance(value, list):
        raise _mismatch(path, "must not hold lists in the list")
    if operator in _SUBSTRING and not isinstance(value, str):
        raise _mismatch(path, f"{operator} compares with a string")
    if operator in _ORDERING and isinstance(value, bool):
        raise _mismatch(path, f"{operator} compares numbers, times and strings")
    if field_type is FieldType.TIME:
        return _time(value, operator, path)
    if field_type is FieldType.STRING_LIST:
        return _list_element(value, operator, path)
    if field_type is FieldType.STRING and not isinstance(value, str):
        raise _mismatch(path, "must be a string for this field")
    checked: Value = value
    return checked


def _time(value: Any, operator: Op, path: str) -> datetime:  # noqa: ANN401 (JSON)
    if operator in _SUBSTRING or operator is Op.CONTAINS:
        raise _mismatch(path, f"{operator} does not compare times")
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _mismatch(path, "must be an RFC 3339 time, as 2026-05-07T00:00:00Z, for this field") from None
    try:
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise _mismatch(path, "must be a time between the years 1 and 9999") from None


def _list_element(value: Any, operator: Op, path: str) -> str:  # noqa: ANN401 (JSON)
    if operator not in {Op.CONTAINS, Op.EQ, Op.NE, Op.IN, Op.NOT_IN}:
        raise _mismatch(path, f"{operator} does not compare lists: use CONTAINS")
    if not isinstance(value, str):
        raise _mismatch(path, "must be a string for this field")
    return value


def _mismatch(path: str, description: str) -> InvalidArgument:
    return InvalidArgument.of(path, description, Reason.FILTER_TYPE_MISMATCH)
