"""Which memories a call means: built with `F`, or given as the JSON that mem0 users write.

    from mnemon import F

    F.metadata("tier") == "gold"
    F.categories.contains("food") & ~(F.metadata("stars") < 4)
    (F.event_time >= datetime(2026, 5, 1, tzinfo=timezone.utc)) | F.metadata("pinned").exists()

The same as JSON, with or without `$` before operators, in any case:

    {"AND": [{"categories": {"contains": "food"}}, {"NOT": [{"stars": {"lt": 4}}]}]}

In JSON a name that is no field of a memory means `metadata.<name>`, as it does in mem0; `categories` with
`in` means "one of them", and `"*"` for a scope id means "any".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, NoReturn

from mnemon._errors import InvalidArgumentError
from mnemon._values import parse_time, read_value, write_value
from mnemon.v1 import filter_pb2

Scalar = str | int | float | bool | datetime
"""What a field can be compared with."""

SCOPE_FIELDS = ("user_id", "agent_id", "app_id", "run_id")
TIME_FIELDS = ("event_time", "expire_time", "create_time", "update_time")
KNOWN_FIELDS = (*SCOPE_FIELDS, *TIME_FIELDS, "categories", "type", "attributed_to")
OTHER_NAMES = {
    "created_at": "create_time",
    "updated_at": "update_time",
    "expiration_date": "expire_time",
    "timestamp": "event_time",
    "category": "categories",
    "memory_type": "type",
}
"""Names that users of other systems write."""


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition on a memory. Joined with `&`, `|` and `~`."""

    message: filter_pb2.Filter

    def __and__(self, other: Condition) -> Condition:
        return all_of((self, other))

    def __or__(self, other: Condition) -> Condition:
        return any_of((self, other))

    def __invert__(self) -> Condition:
        return Condition(filter_pb2.Filter(not_filter=self.message))

    def __bool__(self) -> NoReturn:
        raise TypeError("join conditions with &, | and ~ (in parentheses), not with and, or, not")

    def __repr__(self) -> str:
        return f"Condition({_text(self.message)})"


class Field:
    """One field of a memory; compared, it gives a condition."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: str) -> None:
        self.path = path

    def _compare(self, operator: str, value: Any) -> Condition:  # noqa: ANN401
        return comparison(self.path, operator, value)

    def __eq__(self, value: Scalar) -> Condition:  # type: ignore[override]
        return self._compare("EQ", value)

    def __ne__(self, value: Scalar) -> Condition:  # type: ignore[override]
        return self._compare("NE", value)

    def __gt__(self, value: Scalar) -> Condition:
        return self._compare("GT", value)

    def __ge__(self, value: Scalar) -> Condition:
        return self._compare("GTE", value)

    def __lt__(self, value: Scalar) -> Condition:
        return self._compare("LT", value)

    def __le__(self, value: Scalar) -> Condition:
        return self._compare("LTE", value)

    def is_in(self, values: Iterable[Scalar]) -> Condition:
        """Equal to one of 1 to 1,000 values."""
        return self._compare("IN", list(values))

    def not_in(self, values: Iterable[Scalar]) -> Condition:
        """Equal to none of 1 to 1,000 values, or missing."""
        return self._compare("NOT_IN", list(values))

    def contains(self, value: Scalar) -> Condition:
        """A list holds the value; a string holds it as a part, case counts."""
        return self._compare("CONTAINS", value)

    def icontains(self, value: str) -> Condition:
        """A string holds the value as a part, whatever the case."""
        return self._compare("ICONTAINS", value)

    def starts_with(self, value: str) -> Condition:
        """A string begins with the value."""
        return self._compare("STARTS_WITH", value)

    def exists(self, exists: bool = True) -> Condition:
        """The field is there and not null; with False: it is not."""
        return self._compare("EXISTS", exists)

    def __repr__(self) -> str:
        return f"Field({self.path!r})"


class Fields:
    """The fields that a filter can compare; `F` is the one instance."""

    categories = Field("categories")
    """The memory's categories, a list: use `contains`."""
    type = Field("type")
    """Kind of knowledge, as a word of `MemoryType`."""
    attributed_to = Field("attributed_to")
    """The speaker whose statement it is."""
    user_id = Field("user_id")
    agent_id = Field("agent_id")
    app_id = Field("app_id")
    run_id = Field("run_id")
    event_time = Field("event_time")
    """When it happened or began to hold."""
    expire_time = Field("expire_time")
    create_time = Field("create_time")
    update_time = Field("update_time")

    def metadata(self, *path: str) -> Field:
        """A value of the memory's own JSON: `F.metadata("tier")`, `F.metadata("address", "city")`."""
        if not path:
            raise InvalidArgumentError.of("metadata", "name the key")
        return Field(".".join(("metadata", *path)))


F = Fields()
"""Where filters begin: `F.metadata("tier") == "gold"`."""

Filters = Condition | Mapping[str, Any] | filter_pb2.Filter
"""Every form in which a filter can be given."""


def all_of(conditions: Iterable[Condition]) -> Condition:
    """All of them hold; nested groups of the same kind become one."""
    return _group("and_group", conditions)


def any_of(conditions: Iterable[Condition]) -> Condition:
    """At least one of them holds."""
    return _group("or_group", conditions)


def comparison(field: str, operator: str, value: Any) -> Condition:  # noqa: ANN401
    """One field against a value, by the contract's own names."""
    number = filter_pb2.Operator.Value(f"OPERATOR_{operator}")
    return Condition(
        filter_pb2.Filter(
            comparison=filter_pb2.Comparison(
                field=field, operator=number, value=write_value(_plain(field, value))
            )
        )
    )


def to_filter(filters: Filters | None) -> filter_pb2.Filter | None:
    """The contract's filter, whatever form it was given in. Raises `InvalidArgumentError`."""
    if filters is None or isinstance(filters, filter_pb2.Filter):
        return filters
    if isinstance(filters, Condition):
        return filters.message
    if isinstance(filters, Mapping):
        return from_json(filters).message if filters else None
    raise InvalidArgumentError.of("filters", f"a {type(filters).__name__} is no filter")


def split_scope(filters: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Scope ids that mem0 users give inside the filter, and the rest of the filter.

    Only ids that hold for the filter as a whole count: at its top, or directly below its `AND`.
    """
    ids: dict[str, str] = {}
    rest: dict[str, Any] = {}
    for key, value in filters.items():
        if key in SCOPE_FIELDS and isinstance(value, str) and value != "*":
            ids[key] = value
        elif _word(key) == "and" and isinstance(value, (list, tuple)):
            kept = []
            for part in value:
                found, left = split_scope(part) if isinstance(part, Mapping) else ({}, part)
                ids.update(found)
                kept += [left] if left else []
            if kept:
                rest[key] = kept
        else:
            rest[key] = value
    return ids, rest


def from_json(filters: Mapping[str, Any]) -> Condition:
    """The condition that mem0's JSON form describes."""
    conditions = [_entry(key, value) for key, value in filters.items()]
    if not conditions:
        raise InvalidArgumentError.of("filters", "an empty condition means nothing")
    return all_of(conditions)


def _entry(key: str, value: Any) -> Condition:  # noqa: ANN401
    word = _word(key)
    if word in ("and", "or", "not"):
        parts = [value] if isinstance(value, Mapping) else value
        if (
            not isinstance(parts, (list, tuple))
            or not parts
            or not all(isinstance(p, Mapping) for p in parts)
        ):
            raise InvalidArgumentError.of("filters", f"{key} takes a list of conditions")
        conditions = [from_json(part) for part in parts]
        if word == "not":
            return ~any_of(conditions)
        return all_of(conditions) if word == "and" else any_of(conditions)
    if key == "metadata" and isinstance(value, Mapping):
        return all_of([_field(f"metadata.{name}", item) for name, item in value.items()])
    return _field(_path(key), value)


def _field(path: str, value: Any) -> Condition:  # noqa: ANN401
    if not isinstance(value, Mapping):
        return _one(path, "EQ", value)
    if not value:
        raise InvalidArgumentError.of("filters", f"{path}: name an operator")
    return all_of([_one(path, _operator(path, name), item) for name, item in value.items()])


def _one(path: str, operator: str, value: Any) -> Condition:  # noqa: ANN401
    if path in SCOPE_FIELDS and value == "*" and operator == "EQ":
        return comparison(path, "EXISTS", True)
    if path == "categories" and operator in ("EQ", "IN", "NE", "NOT_IN"):
        values = value if isinstance(value, (list, tuple)) else [value]
        one_of_them = any_of([comparison(path, "CONTAINS", item) for item in values])
        return one_of_them if operator in ("EQ", "IN") else ~one_of_them
    return comparison(path, operator, value)


OPERATORS = {
    "eq": "EQ",
    "ne": "NE",
    "gt": "GT",
    "gte": "GTE",
    "lt": "LT",
    "lte": "LTE",
    "in": "IN",
    "nin": "NOT_IN",
    "not_in": "NOT_IN",
    "contains": "CONTAINS",
    "icontains": "ICONTAINS",
    "starts_with": "STARTS_WITH",
    "startswith": "STARTS_WITH",
    "exists": "EXISTS",
}
"""Operators of the JSON form, by lower-case name without `$`."""


def _operator(path: str, name: str) -> str:
    operator = OPERATORS.get(_word(name))
    if operator is None:
        known = ", ".join(OPERATORS)
        raise InvalidArgumentError.of("filters", f"{path}: {name!r} is none of {known}")
    return operator


def _word(name: str) -> str:
    return name.removeprefix("$").lower()


def _path(key: str) -> str:
    name = OTHER_NAMES.get(key, key)
    return name if name in KNOWN_FIELDS or name.startswith("metadata.") else f"metadata.{name}"


def _plain(field: str, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(field, item) for item in value]
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    if field in TIME_FIELDS and isinstance(value, str):
        return parse_time(value)
    if field == "type" and isinstance(value, str):
        return value.upper()
    return value


def _group(kind: str, conditions: Iterable[Condition]) -> Condition:
    flat: list[filter_pb2.Filter] = []
    for condition in conditions:
        message = condition.message
        if message.WhichOneof("kind") == kind:
            flat.extend(getattr(message, kind).filters)
        else:
            flat.append(message)
    if len(flat) == 1:
        return Condition(flat[0])
    group = filter_pb2.FilterGroup(filters=flat)
    if kind == "and_group":
        return Condition(filter_pb2.Filter(and_group=group))
    return Condition(filter_pb2.Filter(or_group=group))


def _text(message: filter_pb2.Filter) -> str:
    kind = message.WhichOneof("kind")
    if kind == "comparison":
        compared = message.comparison
        name = filter_pb2.Operator.Name(compared.operator).removeprefix("OPERATOR_")
        return f"{compared.field} {name} {read_value(compared.value)!r}"
    if kind == "not_filter":
        return f"not ({_text(message.not_filter)})"
    joined = message.and_group if kind == "and_group" else message.or_group
    return (" and " if kind == "and_group" else " or ").join(f"({_text(part)})" for part in joined.filters)
