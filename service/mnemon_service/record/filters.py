"""`mnemon_service.model.filter` in SQL.

Every comparison gives true or false and never NULL, so that NOT means what it says; a missing field
fails all but NE, NOT_IN and NOT EXISTS. Known fields that are empty texts are missing ones.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from mnemon_service.model.case_folding import fold
from mnemon_service.model.errors import InvalidArgument, Reason
from mnemon_service.model.filter import KNOWN_FIELDS, And, Comparison, FieldType, Filter, Not, Op, Or, Value
from mnemon_service.record.dialects import (
    Condition,
    Dialect,
    Expression,
    NumberList,
    StringList,
    TimeList,
    among,
)
from mnemon_service.record.rows import checked_text
from mnemon_service.record.times import to_micros

_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEGATED: Final = {Op.NE: Op.EQ, Op.NOT_IN: Op.IN}
_ORDERED: Final[dict[Op, Callable[[Any, Any], Any]]] = {
    Op.EQ: operator.eq,
    Op.GT: operator.gt,
    Op.GTE: operator.ge,
    Op.LT: operator.lt,
    Op.LTE: operator.le,
}


def compile_filter(filter: Filter, table: sa.FromClause, dialect: Dialect) -> Condition:  # noqa: A002
    """The condition on the rows of `table` (`memories`, `versions` or an alias) that `filter` means.

    Raises `InvalidArgument` for what no row could be compared with; `model.filter_matching.check`
    says it in more detail before.
    """
    match filter:
        case And(filters):
            return sa.and_(sa.true(), *(compile_filter(part, table, dialect) for part in filters))
        case Or(filters):
            return sa.or_(sa.false(), *(compile_filter(part, table, dialect) for part in filters))
        case Not(inner):
            return sa.not_(compile_filter(inner, table, dialect).self_group())
        case Comparison():
            return _Field(filter, table, dialect).condition()


class _Field:
    """One comparison, on its way to SQL."""

    def __init__(self, comparison: Comparison, table: sa.FromClause, dialect: Dialect) -> None:
        self.comparison = comparison
        self.dialect = dialect
        self.path: Sequence[str] = comparison.metadata_path
        if not self.path and comparison.field not in KNOWN_FIELDS:
            raise InvalidArgument.of("filter", f"unknown field {comparison.field!r}")
        self.type = comparison.field_type
        self.column: Expression = table.c["metadata" if self.path else comparison.field]
        for value in comparison.values:
            if isinstance(value, str):
                checked_text("filter", value)
        for key in self.path:
            checked_text("filter", key)

    def condition(self) -> Condition:
        op = self.comparison.op
        if op in _NEGATED:
            return sa.not_(self._any(_NEGATED[op]))
        if op is Op.EXISTS:
            return self._present() if self.comparison.value else sa.not_(self._present())
        return self._any(op)

    def _any(self, op: Op) -> Condition:
        """True if the field compares so with its value, or equals one of several."""
        if op is not Op.IN:
            return self._compared(op, self.comparison.value)
        return sa.or_(sa.false(), *self._memberships()).self_group()

    def _memberships(self) -> Iterator[Condition]:
        """One condition for the values of each type: PostgreSQL and SQLite limit parameters and depth."""
        values = self.comparison.values
        for flag in {value for value in values if isinstance(value, bool)}:
            yield self._compare(Op.EQ, flag)
        strings = [value for value in values if isinstance(value, str)]
        times = [to_micros(value) for value in values if isinstance(value, datetime)]
        numbers = [
            float(value) for value in values if isinstance(value, float | int) and not isinstance(value, bool)
        ]
        yield from self._membership(strings, "", StringList())
        yield from self._membership(numbers, 0.0, NumberList())
        yield from self._membership(times, _ANY_TIME, TimeList())

    def _membership(
        self,
        values: Sequence[str] | Sequence[float],
        example: Value,
        kind: StringList | NumberList | TimeList,
    ) -> Iterator[Condition]:
        if values and (scalar := self._scalar(example)) is not None:
            yield sa.func.coalesce(among(scalar, values, kind), sa.false(), type_=sa.Boolean())

    def _compared(self, op: Op, value: Value) -> Condition:
        if op is Op.CONTAINS and isinstance(value, str | float | int) and self._may_be_list():
            return sa.or_(self._list_holds(value), self._compare(op, value)).self_group()
        return self._compare(op, value)

    def _compare(self, op: Op, value: Value) -> Condition:
        scalar = self._scalar(value)
        if scalar is None:
            return sa.false()
        if isinstance(value, bool) and op is not Op.EQ:
            return sa.false()
        if op in _ORDERED:
            compared = _ORDERED[op](scalar, _parameter(value))
        elif isinstance(value, str):
            compared = self._string_holds(op, scalar, value)
        else:
            return sa.false()
        return sa.func.coalesce(compared, sa.false(), type_=sa.Boolean())

    def _string_holds(self, op: Op, scalar: Expression, value: str) -> Condition:
        if op is Op.STARTS_WITH:
            return sa.func.substr(scalar, 1, len(value), type_=sa.Text()) == _parameter(value)
        if op is Op.ICONTAINS:
            return self.dialect.position(self.dialect.folded(scalar), fold(value)) > 0
        return self.dialect.position(scalar, value) > 0

    def _may_be_list(self) -> bool:
        return self.type in (FieldType.STRING_LIST, FieldType.JSON)

    def _list_holds(self, value: str | float | bool) -> Condition:
        held = self.dialect.list_holds(self.column, self.path, value)
        return sa.func.coalesce(held, sa.false(), type_=sa.Boolean())

    def _present(self) -> Condition:
        match self.type:
            case FieldType.STRING:
                return self.column != sa.literal_column("''")
            case FieldType.TIME:
                return self.column.is_not(None)
            case FieldType.STRING_LIST:
                return self.column != sa.literal_column("'[]'")
            case FieldType.JSON:
                return self.dialect.is_present(self.column, self.path)

    def _scalar(self, value: Value) -> Expression | None:
        """What to compare a value of this type with: NULL where the field is missing or of another type;
        None if the field never is of this type."""
        match self.type:
            case FieldType.STRING if isinstance(value, str):
                return sa.func.nullif(self.column, sa.literal_column("''"), type_=sa.Text())
            case FieldType.TIME if isinstance(value, datetime):
                return self.column
            case FieldType.JSON:
                return self._scalar_at_path(value)
            case FieldType.STRING_LIST:
                return None
        raise InvalidArgument.of(
            "filter",
            f"{self.comparison.field} holds a {self.type.value}, which cannot be compared with this value",
            Reason.FILTER_TYPE_MISMATCH,
        )

    def _scalar_at_path(self, value: Value) -> Expression | None:
        if isinstance(value, bool):
            return self.dialect.boolean_at(self.column, self.path)
        if isinstance(value, str):
            return self.dialect.string_at(self.column, self.path)
        if isinstance(value, datetime):
            return None
        return self.dialect.number_at(self.column, self.path)


def _parameter(value: Value) -> Expression:
    """A literal of the type that the field's expression has."""
    if isinstance(value, bool):
        return sa.true() if value else sa.false()
    if isinstance(value, str):
        return sa.bindparam(None, value, type_=sa.Text(), unique=True)
    if isinstance(value, datetime):
        return sa.bindparam(None, to_micros(value), type_=sa.BigInteger(), unique=True)
    return sa.bindparam(None, float(value), type_=sa.Double(), unique=True)
