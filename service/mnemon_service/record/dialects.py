"""All that differs between SQLite and PostgreSQL in the text of SQL. What differs in connecting to them
is in `database.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from mnemon_service.model.case_folding import fold, folding_pairs

Expression = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]


class _List(sa.types.TypeDecorator[Sequence[Any]]):
    """A list as one parameter, so that a statement is the same for any number of values and no driver's
    limit of parameters is reached."""

    impl = sa.Text
    cache_ok = True
    item: sa.types.TypeEngine[Any]

    def load_dialect_impl(self, dialect: EngineDialect) -> sa.types.TypeEngine[Any]:
        """An array on PostgreSQL, JSON on SQLite."""
        return postgresql.ARRAY(self.item) if dialect.name == "postgresql" else sa.Text()

    def process_bind_param(self, value: Sequence[Any] | None, dialect: EngineDialect) -> Any:  # noqa: ANN401
        """The list as the driver takes it."""
        values = list(value or ())
        return values if dialect.name == "postgresql" else json.dumps(values)


class StringList(_List):
    """Strings."""

    cache_ok = True
    item = sa.Text()


class NumberList(_List):
    """Doubles."""

    cache_ok = True
    item = sa.Double()


class TimeList(_List):
    """Times in microseconds."""

    cache_ok = True
    item = sa.BigInteger()


class _AnyOf(FunctionElement[bool]):
    """Equality with any string of a list parameter."""

    name = "any_of"
    type = sa.Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> _AnyOf:  # noqa: ANN401
        """Itself: SQLAlchemy would say `… = 1` for SQLite, which then uses no index."""
        return self


@compiles(_AnyOf, "sqlite")
def _any_of_sqlite(element: _AnyOf, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 (compiled clauses)


@compiles(_AnyOf, "postgresql")
def _any_of_postgresql(element: _AnyOf, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({values})"


def any_of(column: Expression, parameter: str) -> Condition:
    """True where `column` is one of the strings of the list parameter of this name; uses an index."""
    return _AnyOf(column, sa.bindparam(parameter, type_=StringList()))


def among(
    column: Expression, values: Sequence[str] | Sequence[float] | Sequence[int], kind: _List
) -> Condition:
    """True where `column` is one of the values."""
    return _AnyOf(column, sa.bindparam(None, values, type_=kind, unique=True))


class Dialect(Protocol):
    """SQL that each database says in its own way."""

    name: str

    def insert(self, table: sa.Table) -> Any:  # noqa: ANN401 (two types with one shape)
        """An INSERT that knows ON CONFLICT."""
        ...

    def string_at(self, document: Expression, path: Sequence[str]) -> Expression:
        """The string at a path of object keys in a JSON column; NULL if there is none."""
        ...

    def number_at(self, document: Expression, path: Sequence[str]) -> Expression:
        """The number there as a double; NULL if there is none."""
        ...

    def boolean_at(self, document: Expression, path: Sequence[str]) -> Expression:
        """The boolean there; NULL if there is none."""
        ...

    def is_present(self, document: Expression, path: Sequence[str]) -> Condition:
        """True if anything but a JSON null is there."""
        ...

    def list_holds(self, document: Expression, path: Sequence[str], value: str | float | bool) -> Condition:
        """True if a list is there and one of its elements is `value`."""
        ...

    def position(self, text: Expression, part: str) -> Expression:
        """Where `part` begins in `text`: 1, 2 …; 0 if nowhere."""
        ...

    def folded(self, text: Expression) -> Expression:
        """`text` in lower case as `mnemon_service.model.case_folding.fold` makes it."""
        ...


def _text(value: str) -> sa.BindParameter[str]:
    return sa.bindparam(None, value, type_=sa.Text(), unique=True)


class SqliteDialect:
    """SQLite with its JSON functions (3.38 or later has them built in)."""

    name = "sqlite"

    def insert(self, table: sa.Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def string_at(self, document: Expression, path: Sequence[str]) -> Expression:
        document, where = _located(document, path)
        kind = sa.func.json_type(document, where)
        return sa.case((kind == "text", sa.func.json_extract(document, where, type_=sa.Text())))

    def number_at(self, document: Expression, path: Sequence[str]) -> Expression:
        document, where = _located(document, path)
        kind = sa.func.json_type(document, where)
        value = sa.cast(sa.func.json_extract(document, where), sa.REAL)
        return sa.case((kind.in_(("integer", "real")), value))

    def boolean_at(self, document: Expression, path: Sequence[str]) -> Expression:
        document, where = _located(document, path)
        kind = sa.func.json_type(document, where)
        return sa.case((kind == "true", sa.true()), (kind == "false", sa.false()))

    def is_present(self, document: Expression, path: Sequence[str]) -> Condition:
        document, where = _located(document, path)
        return sa.func.coalesce(sa.func.json_type(document, where), "null") != "null"

    def list_holds(self, document: Expression, path: Sequence[str], value: str | float | bool) -> Condition:
        document, where = _located(document, path)
        each = sa.func.json_each(document, where).table_valued("type", "value").alias()
        found = sa.select(sa.literal(1)).select_from(each)
        found = found.where(sa.func.json_type(document, where) == "array")
        if isinstance(value, bool):
            found = found.where(each.c.type == ("true" if value else "false"))
        elif isinstance(value, str):
            found = found.where(each.c.type == "text", each.c.value == _text(value))
        else:
            found = found.where(each.c.type.in_(("integer", "real")))
            found = found.where(sa.cast(each.c.value, sa.REAL) == float(value))
        return sa.exists(found)

    def position(self, text: Expression, part: str) -> Expression:
        return sa.func.instr(text, _text(part))

    def folded(self, text: Expression) -> Expression:
        return sa.func.mnemon_fold(text, type_=sa.Text())


def _located(document: Expression, path: Sequence[str]) -> tuple[Expression, Expression]:
    """A document and a JSON path in it.

    SQLite's paths cannot name every key (none with a quote, a backslash or a control character), so for
    such keys a function of ours takes the value out first.
    """
    if all(key.isprintable() and key and not set(key) & {'"', "\\"} for key in path):
        return document, _text("$" + "".join(f'."{key}"' for key in path))
    return sa.func.mnemon_json_at(document, _text(json.dumps(list(path)))), sa.literal_column("'$.value'")


def json_at(document: str, path: str) -> str:
    """`{"value": …}` with what is at a path of keys (a JSON list), `{}` if nothing: for SQLite."""
    value: Any = json.loads(document)
    for key in json.loads(path):
        if not isinstance(value, dict) or key not in value:
            return "{}"
        value = value[key]
    return json.dumps({"value": value}, ensure_ascii=False)


def folded_or_null(text: str | None) -> str | None:
    """`fold` for SQLite: NULL stays NULL."""
    return None if text is None else fold(text)


SQLITE_FUNCTIONS: Final = (("mnemon_fold", 1, folded_or_null), ("mnemon_json_at", 2, json_at))
"""Deterministic functions to register on every SQLite connection: name, arguments, what it does."""


class PostgresqlDialect:
    """PostgreSQL 15 or later."""

    name = "postgresql"

    def insert(self, table: sa.Table) -> postgresql.Insert:
        return postgresql.insert(table)

    def string_at(self, document: Expression, path: Sequence[str]) -> Expression:
        value = _value_at(document, path)
        return sa.case((sa.func.jsonb_typeof(value) == "string", _as_text(value)))

    def number_at(self, document: Expression, path: Sequence[str]) -> Expression:
        value = _value_at(document, path)
        return sa.case((sa.func.jsonb_typeof(value) == "number", sa.cast(_as_text(value), sa.Double)))

    def boolean_at(self, document: Expression, path: Sequence[str]) -> Expression:
        value = _value_at(document, path)
        return sa.case((sa.func.jsonb_typeof(value) == "boolean", sa.cast(_as_text(value), sa.Boolean)))

    def is_present(self, document: Expression, path: Sequence[str]) -> Condition:
        return sa.func.coalesce(sa.func.jsonb_typeof(_value_at(document, path)), "null") != "null"

    def list_holds(self, document: Expression, path: Sequence[str], value: str | float | bool) -> Condition:
        found = _value_at(document, path)
        array = sa.case((sa.func.jsonb_typeof(found) == "array", found))
        return array.bool_op("@>")(sa.cast(_text(json.dumps([value])), postgresql.JSONB))

    def position(self, text: Expression, part: str) -> Expression:
        return sa.func.strpos(text, _text(part))

    def folded(self, text: Expression) -> Expression:
        """ASCII by the server, the rest by a table of ours: the server's own idea of lower case depends
        on its locale and the release of its Unicode data."""
        plain = sa.func.octet_length(text) == sa.func.char_length(text)
        upper, lower = _folding_literals()
        return sa.case(
            (plain, sa.func.lower(sa.collate(text, "C"))), else_=sa.func.translate(text, upper, lower)
        )


@cache
def _folding_literals() -> tuple[Expression, Expression]:
    upper, lower = folding_pairs()
    return sa.literal_column(f"'{upper}'"), sa.literal_column(f"'{lower}'")


def _value_at(document: Expression, path: Sequence[str]) -> Expression:
    """`->` with text looks only into objects, as the filter means it; `#>` would count into lists."""
    for key in path:
        document = document.op("->", return_type=postgresql.JSONB())(_text(key))
    return document


def _as_text(value: Expression) -> Expression:
    return sa.collate(value.op("#>>", return_type=sa.Text())(sa.literal_column("'{}'::text[]")), "C")


SQLITE: Final[Dialect] = SqliteDialect()
POSTGRESQL: Final[Dialect] = PostgresqlDialect()
