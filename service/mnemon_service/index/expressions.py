"""Filters in the language of Milvus, and the one function that quotes.

No string of a caller reaches an engine but through `quote`. Every stored scalar has a value (an empty
string or `ABSENT_TIME` where there is none), so the engines' logic of nulls, which differs, is never
asked. Where an engine may not say exactly what `model.filter` means, the expression selects a
*superset* and `exact` is False: whoever asked checks the rows with `matches_fields`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from mnemon_service.index.protocol import Selection
from mnemon_service.model.filter import And, Comparison, FieldType, Filter, Not, Op, Or, Value
from mnemon_service.model.memory import MemoryState

ABSENT_TIME: Final = -(1 << 62)
"""Stored where a memory has no such time: before every time that a datetime can name."""
SEPARATOR: Final = "\x1f"
"""Stands before, between and after the names of a list that is kept in one string."""
NOTHING: Final = "project_id == ''"
"""True for no row: a project's id is never empty."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_ORDER: Final = {Op.GT: ">", Op.GTE: ">=", Op.LT: "<", Op.LTE: "<="}
_WILDCARDS: Final = str.maketrans({"%": "_", "\\": "_", "\n": "%", "\r": "%"})
_LIST_COLUMNS: Final = {"categories": "categories"}


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """An expression (empty: every row), and whether it selects no row too many."""

    expression: str
    exact: bool


_EVERYTHING: Final = CompiledFilter("", exact=False)


def quote(text: str) -> str:
    """A string literal for any engine: single quotes, five escapes, everything else as it is."""
    return f"'{text.translate(_ESCAPES)}'"


def micros(time: datetime) -> int:
    """Microseconds since 1970; a time without a zone is UTC."""
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def ids_expression(ids: list[str]) -> str:
    """The rows of these ids."""
    return f"id in [{', '.join(quote(row_id) for row_id in ids)}]"


def owner_key(project_id: str, owner: str) -> str:
    """What rows lie together by: one owner of one project. A server's partition key."""
    return f"{project_id}{SEPARATOR}{owner}"


def compile_selection(selection: Selection, *, json_paths: bool, partitioned: bool) -> CompiledFilter:
    """Project and scope, states and filter in one expression; the first two are always there.

    With `partitioned` the owner is named too where the scope knows it: the server then looks into one
    partition.
    """
    parts = [f"project_id == {quote(selection.project_id)}"]
    owner = selection.scope.owner_of_read
    if partitioned and owner is not None:
        parts.append(f"owner_key == {quote(owner_key(selection.project_id, owner))}")
    parts.extend(f"{field} == {quote(value)}" for field, value in selection.scope.named().items())
    if set(selection.states) != set(MemoryState):
        parts.append(_one_of("state", tuple(state.value for state in selection.states)))
    if selection.filter is None:
        return CompiledFilter(" and ".join(parts), exact=True)
    compiled = compile_filter(selection.filter, json_paths=json_paths)
    if compiled.expression:
        parts.append(f"({compiled.expression})")
    return CompiledFilter(" and ".join(parts), compiled.exact)


def compile_filter(filter_: Filter, *, json_paths: bool, negated: bool = False) -> CompiledFilter:
    """What a filter means, or a superset of it.

    `json_paths` says that the engine looks into metadata quickly; without it, every comparison of
    metadata is left to the check of the rows. NOT is pushed down to the comparisons: what is not
    exact cannot be negated.
    """
    match filter_:
        case Not(child):
            return compile_filter(child, json_paths=json_paths, negated=not negated)
        case And(filters) | Or(filters):
            children = [compile_filter(child, json_paths=json_paths, negated=negated) for child in filters]
            return _all(children) if isinstance(filter_, And) != negated else _any(children)
        case Comparison():
            return _comparison(filter_, negated=negated, json_paths=json_paths)


def _all(children: list[CompiledFilter]) -> CompiledFilter:
    expressions = [f"({child.expression})" for child in children if child.expression]
    return CompiledFilter(" and ".join(expressions), all(child.exact for child in children))


def _any(children: list[CompiledFilter]) -> CompiledFilter:
    if not children:
        return CompiledFilter(NOTHING, exact=True)
    if any(not child.expression for child in children):
        return CompiledFilter("", all(child.exact for child in children))
    return CompiledFilter(
        " or ".join(f"({child.expression})" for child in children), all(child.exact for child in children)
    )


def _comparison(node: Comparison, *, negated: bool, json_paths: bool) -> CompiledFilter:
    positive = {Op.NE: Op.EQ, Op.NOT_IN: Op.IN}.get(node.op)
    if positive:
        node, negated = Comparison(node.field, positive, node.values), not negated
    match node.field_type:
        case FieldType.JSON:
            return _of_metadata(node) if json_paths and not negated else _EVERYTHING
        case FieldType.TIME:
            compiled = CompiledFilter(_of_time(node), exact=True)
        case FieldType.STRING:
            compiled = _of_string(node)
        case FieldType.STRING_LIST:
            compiled = _of_list(node)
    if not negated:
        return compiled
    return CompiledFilter(f"not ({compiled.expression})", exact=True) if compiled.exact else _EVERYTHING


def _of_time(node: Comparison) -> str:
    field = node.field
    if node.op is Op.EXISTS:
        return f"{field} {'!=' if node.value else '=='} {ABSENT_TIME}"
    values = [micros(value) for value in node.values if isinstance(value, datetime)]
    if node.op in (Op.EQ, Op.IN):
        return f"{field} in {values}" if values else NOTHING
    bound = f"{field} {_ORDER[node.op]} {values[0]}"
    return bound if node.op in (Op.GT, Op.GTE) else f"{bound} and {field} != {ABSENT_TIME}"


def _of_string(node: Comparison) -> CompiledFilter:
    field, text = node.field, str(node.value) if node.values else ""
    match node.op:
        case Op.EXISTS:
            return CompiledFilter(f"{field} {'!=' if node.value else '=='} ''", exact=True)
        case Op.EQ | Op.IN:
            return CompiledFilter(_one_of(field, node.values), exact=True)
        case Op.STARTS_WITH:
            return CompiledFilter(_prefix(field, text), exact=True)
        case Op.CONTAINS:
            return CompiledFilter(f"{field} != '' and {_like(field, text)}", exact=False)
        case Op.ICONTAINS:
            return CompiledFilter(f"{field} != ''", exact=False)
        case order:
            return CompiledFilter(f"{field} {_ORDER[order]} {quote(text)} and {field} != ''", exact=True)


def _of_list(node: Comparison) -> CompiledFilter:
    column = _LIST_COLUMNS[node.field]
    match node.op:
        case Op.EXISTS:
            return CompiledFilter(f"{column} {'!=' if node.value else '=='} ''", exact=True)
        case Op.CONTAINS:
            return CompiledFilter(holds_name(column, str(node.value)), exact=False)
        case _:
            return CompiledFilter(NOTHING, exact=True)


def _of_metadata(node: Comparison) -> CompiledFilter:
    path = "metadata" + "".join(f"[{quote(key)}]" for key in node.metadata_path)
    match node.op:
        case Op.EQ | Op.IN:
            literals = [literal for value in node.values if (literal := _literal(value))]
            expression = " or ".join(f"{path} == {literal}" for literal in literals) or NOTHING
            return CompiledFilter(expression, exact=False)
        case Op.GT | Op.GTE | Op.LT | Op.LTE if literal := _literal(node.value):
            return CompiledFilter(f"{path} {_ORDER[node.op]} {literal}", exact=False)
        case Op.STARTS_WITH:
            return CompiledFilter(_prefix(path, str(node.value)), exact=False)
        case _:
            return _EVERYTHING


def _literal(value: Value) -> str:
    """A JSON scalar as a literal; empty for a time, which JSON does not have."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value)
        case int() | float():
            return (
                repr(int(value)) if float(value).is_integer() and abs(value) < 1 << 53 else repr(float(value))
            )
        case _:
            return ""


def escape_name(name: str) -> str:
    """A name as it stands in a list that is kept in one string: without the separator."""
    return name.replace("\x1e", "\x1e0").replace(SEPARATOR, "\x1e1")


def unescape_name(text: str) -> str:
    """The name that `escape_name` was given."""
    return text.replace("\x1e1", SEPARATOR).replace("\x1e0", "\x1e")


def holds_name(column: str, name: str) -> str:
    """Rows whose list, kept in one string, holds a name; and some whose list holds a similar one."""
    return _like(column, f"{SEPARATOR}{escape_name(name)}{SEPARATOR}")


def _like(column: str, text: str) -> str:
    """Rows that hold the text, and some that hold a similar one.

    The engines do not agree on how to escape a wildcard, so that a special character becomes one.
    """
    return f"{column} like {quote('%' + text.translate(_WILDCARDS) + '%')}"


def _prefix(field: str, prefix: str) -> str:
    """Strings between the prefix and the next one by code point, which is the order of UTF-8 too."""
    if not prefix:
        return f"{field} != ''"
    if (end := _after(prefix)) is None:
        return f"{field} >= {quote(prefix)}"
    return f"{field} >= {quote(prefix)} and {field} < {quote(end)}"


def _after(prefix: str) -> str | None:
    """The first string past all that begin with the prefix; None if there is none."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    code = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)


def _one_of(field: str, values: tuple[Value, ...]) -> str:
    """Rows whose field is one of the values; an empty string is a missing value and equals nothing."""
    texts = [quote(value) for value in values if isinstance(value, str) and value]
    return f"{field} in [{', '.join(texts)}]" if texts else NOTHING
