"""The meaning of a filter in plain Python: the judge where engines differ.

It decides for one memory (the log's tail, watch streams, what an engine could only narrow down), and
tests hold the compilers to SQL and to Milvus expressions against it. A known field counts as missing
if the memory does not have it: an empty string, no time, no category.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mnemon_service.model.case_folding import fold
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
from mnemon_service.model.memory import Memory

_ORDER: Final[dict[Op, Callable[[Any, Any], bool]]] = {
    Op.GT: operator.gt,
    Op.GTE: operator.ge,
    Op.LT: operator.lt,
    Op.LTE: operator.le,
}
_LISTS: Final = frozenset({Op.IN, Op.NOT_IN})
_TEXT: Final = frozenset({Op.CONTAINS, Op.ICONTAINS, Op.STARTS_WITH})
_NEGATIVE: Final[dict[Op, Op]] = {Op.NE: Op.EQ, Op.NOT_IN: Op.IN}


def check(filter_: Filter, field: str = "filter") -> None:
    """Refuse what no engine could answer: raises `InvalidArgument` naming the offending part.

    Past `MAXIMUM_DEPTH`, `MAXIMUM_NODES` or `MAXIMUM_LIST`; an unknown field; a value or an operator
    that a known field's type does not have (FILTER_TYPE_MISMATCH); a number that is not finite.
    """
    nodes = 0
    pending: list[tuple[Filter, int]] = [(filter_, 1)]
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if depth > MAXIMUM_DEPTH:
            raise InvalidArgument.of(field, f"nested deeper than {MAXIMUM_DEPTH}")
        if nodes > MAXIMUM_NODES:
            raise InvalidArgument.of(field, f"more than {MAXIMUM_NODES} parts")
        match node:
            case And(filters) | Or(filters):
                pending.extend((child, depth + 1) for child in filters)
            case Not(child):
                pending.append((child, depth + 1))
            case Comparison():
                _check_comparison(node, field)


def _check_comparison(node: Comparison, field: str) -> None:
    path = node.metadata_path
    if node.field not in KNOWN_FIELDS and not (path and all(path)):
        known = ", ".join(KNOWN_FIELDS)
        raise InvalidArgument.of(field, f"no such field; known are {known} and {METADATA_PREFIX}<path>")
    if node.op in _LISTS:
        if len(node.values) > MAXIMUM_LIST:
            raise InvalidArgument.of(field, f"{node.field}: more than {MAXIMUM_LIST} values")
    elif len(node.values) != 1:
        raise InvalidArgument.of(field, f"{node.field}: {node.op} takes one value")
    for value in node.values:
        if isinstance(value, float | int) and not math.isfinite(value):
            raise InvalidArgument.of(field, f"{node.field}: a number must be finite")
        if not _fits(node.field_type, node.op, value):
            raise InvalidArgument.of(
                field,
                f"{node.field} is a {node.field_type.value}: {node.op} with this value cannot be asked of it",
                Reason.FILTER_TYPE_MISMATCH,
            )


def _fits(field_type: FieldType, op: Op, value: Value) -> bool:
    """True if the operator and the value can be asked of a field of this type."""
    if op is Op.EXISTS:
        return isinstance(value, bool)
    if op in (Op.ICONTAINS, Op.STARTS_WITH) and not isinstance(value, str):
        return False
    if op in _ORDER and isinstance(value, bool):
        return False
    match field_type:
        case FieldType.STRING:
            return isinstance(value, str)
        case FieldType.STRING_LIST:
            return isinstance(value, str) and op in (Op.EQ, Op.NE, Op.IN, Op.NOT_IN, Op.CONTAINS)
        case FieldType.TIME:
            return isinstance(value, datetime) and op not in _TEXT
        case FieldType.JSON:
            return True


def matches(filter_: Filter, memory: Memory) -> bool:
    """True if the filter selects this memory."""
    return matches_fields(filter_, known_fields(memory), memory.metadata)


def known_fields(memory: Memory) -> dict[str, object]:
    """The values of `KNOWN_FIELDS` for a memory; what it does not have is None."""
    return {
        "categories": list(memory.categories) or None,
        "type": memory.type.value,
        "attributed_to": memory.attributed_to or None,
        "event_time": memory.event_time.time if memory.event_time else None,
        "expire_time": memory.expire_time,
        "create_time": memory.create_time,
        "update_time": memory.update_time,
        "user_id": memory.scope.user_id or None,
        "agent_id": memory.scope.agent_id or None,
        "app_id": memory.scope.app_id or None,
        "run_id": memory.scope.run_id or None,
    }


def matches_fields(filter_: Filter, known: Mapping[str, object], metadata: Mapping[str, Any]) -> bool:
    """True if the filter selects what has these known fields (None for a missing one) and metadata."""
    match filter_:
        case And(filters):
            return all(matches_fields(child, known, metadata) for child in filters)
        case Or(filters):
            return any(matches_fields(child, known, metadata) for child in filters)
        case Not(child):
            return not matches_fields(child, known, metadata)
        case Comparison():
            stored = (
                _metadata_value(metadata, path) if (path := filter_.metadata_path) else known[filter_.field]
            )
            return _compare(filter_, stored)


def _metadata_value(metadata: Mapping[str, Any], path: tuple[str, ...]) -> object:
    """What lies at the path, through objects only; None if nothing does."""
    value: object = metadata
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _compare(node: Comparison, stored: object) -> bool:
    op = node.op
    if op is Op.EXISTS:
        return (stored is not None) is node.value
    if op in _NEGATIVE:
        return not _compare_positive(_NEGATIVE[op], node, stored)
    return _compare_positive(op, node, stored)


def _compare_positive(op: Op, node: Comparison, stored: object) -> bool:
    if stored is None:
        return False
    if op in (Op.EQ, Op.IN):
        return any(_equal(stored, value) for value in node.values)
    wanted = node.value
    if op is Op.CONTAINS and isinstance(stored, list | tuple):
        return any(_equal(element, wanted) for element in stored)
    if op in _ORDER:
        left, right = _comparable(stored), _comparable(wanted)
        return type(left) is type(right) and not isinstance(left, bool | None) and _ORDER[op](left, right)
    if not isinstance(stored, str) or not isinstance(wanted, str):
        return False
    if op is Op.CONTAINS:
        return wanted in stored
    if op is Op.ICONTAINS:
        return fold(wanted) in fold(stored)
    return stored.startswith(wanted)


def _equal(stored: object, wanted: object) -> bool:
    left, right = _comparable(stored), _comparable(wanted)
    return left is not None and type(left) is type(right) and left == right


def _comparable(value: object) -> str | float | bool | datetime | None:
    """The scalar in the one form that its type compares in; None for what is no scalar."""
    match value:
        case bool() | str():
            return value
        case int() | float():
            try:
                return float(value)
            except OverflowError:
                return math.copysign(math.inf, value)
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        case _:
            return None
