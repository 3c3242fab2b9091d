"""Which memories a caller means: a small typed tree with one meaning in every room.

`record/` compiles it to SQL, `index/` to Milvus expressions, and `matches` here decides it for one
memory in plain Python (the log's tail, watch streams). All three mean the same:

- a missing field (or a JSON null) fails every comparison but NE, NOT_IN and NOT EXISTS;
- numbers compare as numbers, booleans as booleans, times as times, strings by code point;
- for a list (`categories`, a metadata array) EQ and IN ask whether the list itself equals a value:
  they do not look inside; CONTAINS does;
- comparing a known field with a value of another type is an error of the request; a metadata value
  of another type than the one asked for counts as missing.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

MAXIMUM_DEPTH: Final = 16
"""Nesting past this depth is refused."""
MAXIMUM_NODES: Final = 256
"""Comparisons and connectives in one filter; more are refused."""
MAXIMUM_LIST: Final = 1000
"""Values in one IN or NOT_IN."""

Value = str | float | bool | datetime
"""A scalar to compare with. Numbers are floats, as in JSON."""


class Op(enum.StrEnum):
    """How a field is compared."""

    EQ = "EQ"
    NE = "NE"
    GT = "GT"
    GTE = "GTE"
    LT = "LT"
    LTE = "LTE"
    IN = "IN"
    NOT_IN = "NOT_IN"
    CONTAINS = "CONTAINS"
    """A list holds the value; a string holds the substring (case counts)."""
    ICONTAINS = "ICONTAINS"
    """A string holds the substring, case folded (Unicode simple lower case)."""
    STARTS_WITH = "STARTS_WITH"
    EXISTS = "EXISTS"
    """The field is there and not null; value `false` asks for its absence."""


class FieldType(enum.StrEnum):
    """What a known field holds."""

    STRING = "string"
    STRING_LIST = "list of strings"
    TIME = "time"
    JSON = "JSON value"


KNOWN_FIELDS: Final[dict[str, FieldType]] = {
    "categories": FieldType.STRING_LIST,
    "type": FieldType.STRING,
    "attributed_to": FieldType.STRING,
    "event_time": FieldType.TIME,
    "expire_time": FieldType.TIME,
    "create_time": FieldType.TIME,
    "update_time": FieldType.TIME,
    "user_id": FieldType.STRING,
    "agent_id": FieldType.STRING,
    "app_id": FieldType.STRING,
    "run_id": FieldType.STRING,
}
"""Fields by name; besides these, `metadata.<path>` with keys joined by dots."""

METADATA_PREFIX: Final = "metadata."


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field against one value, or a list of them for IN and NOT_IN."""

    field: str
    op: Op
    values: tuple[Value, ...]

    @property
    def value(self) -> Value:
        """The single value of every operator but IN and NOT_IN."""
        return self.values[0]

    @property
    def metadata_path(self) -> tuple[str, ...]:
        """The keys below `metadata`, or an empty tuple for a known field."""
        if not self.field.startswith(METADATA_PREFIX):
            return ()
        return tuple(self.field[len(METADATA_PREFIX) :].split("."))

    @property
    def field_type(self) -> FieldType:
        """What the field holds."""
        return KNOWN_FIELDS.get(self.field, FieldType.JSON)


@dataclass(frozen=True, slots=True)
class And:
    """All of them hold; true for none."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them holds; false for none."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    filter: Filter


Filter = And | Or | Not | Comparison


def all_of(filters: Sequence[Filter]) -> Filter:
    """The conjunction, without a wrapper around a single one."""
    return filters[0] if len(filters) == 1 else And(tuple(filters))
