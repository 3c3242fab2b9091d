"""How memories are selected: by project and scope always, by state and time, now or in the past.

Statements are built once for each shape and take their values as parameters.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from mnemon_service.model.filter import Filter
from mnemon_service.model.memory import MemoryState
from mnemon_service.model.scope import Scope
from mnemon_service.record.dialects import Condition, Dialect
from mnemon_service.record.filters import compile_filter
from mnemon_service.record.rows import Values, memory_columns
from mnemon_service.record.schema import memories, versions
from mnemon_service.record.selection import Access, Order, OrderBy

Rows = sa.Select[Any]

ONE: Final[sa.ColumnElement[int]] = sa.literal_column("1")
"""What an EXISTS selects."""
_ZERO: Final[sa.ColumnElement[int]] = sa.literal_column("0")
_PAST: Final = versions.alias("past")
_NEXT: Final = versions.alias("next")
_PRESENT: Final = memories.alias("present")


class Source(enum.Enum):
    """Where a selection is read."""

    PRESENT = "the projection"
    PAST = "the log up to a position"
    PINNED = "the log up to a position, without what is not visible any more"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a statement looks like; everything else is a parameter."""

    source: Source
    scope_fields: tuple[str, ...]
    states: tuple[MemoryState, ...]

    @property
    def table(self) -> sa.FromClause:
        """The table that the rows come from."""
        return memories if self.source is Source.PRESENT else _PAST


def shape_of(scope: Scope, states: tuple[MemoryState, ...], source: Source = Source.PRESENT) -> Shape:
    """The shape of a selection in a scope."""
    return Shape(source, tuple(scope.named()), states)


def allowed_scope(access: Access, scope: Scope) -> Scope | None:
    """The scope asked for within the one that the key is bound to; None if they exclude each other."""
    return scope.narrowed_by(access.bound)


def scope_conditions(table: sa.FromClause, fields: tuple[str, ...]) -> list[Condition]:
    """The project and the scope ids named. The second half of each pair lets the partial indexes serve."""
    found: list[Condition] = [table.c.project_id == sa.bindparam("project_id")]
    for field in fields:
        found.append(table.c[field] == sa.bindparam(field))
        found.append(table.c[field] != sa.literal_column("''"))
    return found


def scope_parameters(access: Access, scope: Scope) -> Values:
    """The values for `scope_conditions`."""
    return {"project_id": access.project_id, **scope.named()}


def visibility(table: sa.FromClause, states: tuple[MemoryState, ...], now: str) -> list[Condition]:
    """In one of the states, and not expired at the time in the parameter `now`."""
    literals: list[sa.ColumnElement[str]] = [sa.literal_column(f"'{state.value}'") for state in states]
    in_state = table.c.state == literals[0] if len(literals) == 1 else table.c.state.in_(literals)
    return [
        in_state,
        sa.or_(table.c.expire_time.is_(None), table.c.expire_time > sa.bindparam(now, type_=sa.BigInteger)),
    ]


def as_it_was(table: sa.FromClause = _PAST, *, by_position: bool = False) -> list[Condition]:
    """Rows of the log that are the last of their memory up to the position in the parameter `position`.

    Unless the rows are wanted `by_position`, the range of positions is written so that no index can serve
    it: it holds most of the log, and a planner that takes it has to sort afterwards.
    """
    successor = (
        sa.select(ONE)
        .where(
            _NEXT.c.project_id == table.c.project_id,
            _NEXT.c.id == table.c.id,
            _NEXT.c.version == table.c.version + ONE,
            _NEXT.c.sequence <= sa.bindparam("position"),
        )
        .correlate(table)
    )
    return [
        (table.c.sequence if by_position else table.c.sequence + _ZERO) <= sa.bindparam("position"),
        table.c.erased == sa.false(),
        ~sa.exists(successor),
    ]


@cache
def selecting(shape: Shape, *, by_position: bool = False) -> Rows:
    """Memories (`memory_columns`) of a shape, in no order.

    Parameters: the project, the scope ids, `now`; for the past also `position`, for a pinned one
    `present_now`.
    """
    table = shape.table
    conditions = [*scope_conditions(table, shape.scope_fields), *visibility(table, shape.states, "now")]
    if shape.source is not Source.PRESENT:
        conditions += as_it_was(by_position=by_position)
    if shape.source is Source.PINNED:
        still = sa.select(ONE).where(
            _PRESENT.c.project_id == table.c.project_id,
            _PRESENT.c.id == table.c.id,
            *visibility(_PRESENT, shape.states, "present_now"),
        )
        conditions.append(sa.exists(still.correlate(table)))
    return sa.select(*memory_columns(table)).where(*conditions)


def filtered(query: Rows, shape: Shape, filter: Filter | None, dialect: Dialect) -> Rows:  # noqa: A002
    """The query with a filter ANDed."""
    return query if filter is None else query.where(compile_filter(filter, shape.table, dialect))


@cache
def listing(shape: Shape, order: Order, *, resumed: bool) -> Rows:
    """A page of a selection; parameters as `selecting`, and `limit`; if resumed, the place of the last
    row: `after_sequence`, or `after_time` and `after_id`."""
    table = shape.table
    query = selecting(shape, by_position=order.by is OrderBy.UPDATE_TIME)
    keys: list[sa.ColumnElement[Any]]
    values: list[sa.ColumnElement[Any]]
    if order.by is OrderBy.UPDATE_TIME:
        keys, values = [table.c.sequence], [sa.bindparam("after_sequence", type_=sa.BigInteger)]
    else:
        keys = [table.c.create_time, table.c.id]
        values = [
            sa.bindparam("after_time", type_=sa.BigInteger),
            sa.bindparam("after_id", type_=sa.Text),
        ]
    if resumed:
        place, last = (sa.tuple_(*keys), sa.tuple_(*values)) if len(keys) > 1 else (keys[0], values[0])
        query = query.where(place < last if order.descending else place > last)
    query = query.order_by(*(key.desc() if order.descending else key.asc() for key in keys))
    return query.limit(sa.bindparam("limit", type_=sa.Integer))
