"""Rows of an import, each checked by itself: what is wrong with one is reported, the others are stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from mnemon.v1 import memory_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.add_messages import future
from mnemon_service.model.caller import Caller
from mnemon_service.model.errors import InvalidArgument, Reason
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Memory, MemoryType
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.rows import check_memory
from mnemon_service.wire.enums import MEMORY_TYPES
from mnemon_service.wire.memories import from_entities, from_event_time
from mnemon_service.wire.metadata import from_struct
from mnemon_service.wire.scopes import from_scope, write_scope
from mnemon_service.wire.times import from_timestamp

EXTRACTOR: Final = "import"
"""What an imported memory says it was made by."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TEXT_BYTES: Final = 32_768
_NAME_BYTES: Final = 256
_CATEGORIES: Final = 32
_CATEGORY_BYTES: Final = 64
_ENTITIES: Final = 64
_ENTITY_TYPE_BYTES: Final = 64


def memory_of_row(row: pb.ImportRow, default_scope: Scope, caller: Caller, now: datetime) -> Memory:
    """The memory that a row describes, with a new id.

    Raises `InvalidArgument` naming the first wrong field by its path in the row, `PermissionDenied`
    (SCOPE_FORBIDDEN) for a scope that the key may not write to.
    """
    for check in _CHECKS:
        check(row)
    memory = Memory(
        id=new_id(),
        project_id=caller.project_id,
        scope=_scope(row, default_scope, caller),
        text=row.text,
        type=MEMORY_TYPES.from_wire(row.type, MemoryType.SEMANTIC),
        categories=tuple(row.categories),
        metadata=from_struct(row.metadata, "metadata"),
        attributed_to=row.attributed_to,
        event_time=from_event_time(row.event_time) if row.HasField("event_time") else None,
        expire_time=_expire_time(row, now),
        create_time=_create_time(row, now),
        entities=from_entities(row.entities),
        extractor=EXTRACTOR,
    )
    check_memory(memory)
    return memory


def _check_text(row: pb.ImportRow) -> None:
    if not row.text.strip():
        raise InvalidArgument.of("text", "must hold more than white space")
    _check_bytes("text", row.text, _TEXT_BYTES)


def _check_scope(row: pb.ImportRow) -> None:
    for field in SCOPE_FIELDS:
        value: str = getattr(row.scope, field)
        _check_bytes(f"scope.{field}", value, _NAME_BYTES)
        if _CONTROL.search(value):
            raise InvalidArgument.of(f"scope.{field}", "must hold no control characters")


def _check_enums(row: pb.ImportRow) -> None:
    if row.type not in memory_pb2.MemoryType.values():
        raise InvalidArgument.of("type", "must be one of the contract's memory types")
    if row.event_time.precision not in memory_pb2.EventTimePrecision.values():
        raise InvalidArgument.of("event_time.precision", f"must be one of {', '.join(_PRECISIONS)}")
    if row.HasField("event_time") and not row.event_time.HasField("time"):
        raise InvalidArgument.of("event_time.time", "is needed")


def _check_categories(row: pb.ImportRow) -> None:
    if len(row.categories) > _CATEGORIES:
        raise InvalidArgument.of("categories", f"must be at most {_CATEGORIES}")
    if len(set(row.categories)) < len(row.categories):
        raise InvalidArgument.of("categories", "must differ from each other")
    for place, category in enumerate(row.categories):
        _check_name(f"categories[{place}]", category, _CATEGORY_BYTES)


def _check_entities(row: pb.ImportRow) -> None:
    _check_bytes("attributed_to", row.attributed_to, _NAME_BYTES)
    if len(row.entities) > _ENTITIES:
        raise InvalidArgument.of("entities", f"must be at most {_ENTITIES}")
    for place, entity in enumerate(row.entities):
        _check_name(f"entities[{place}].name", entity.name, _NAME_BYTES)
        _check_bytes(f"entities[{place}].type", entity.type, _ENTITY_TYPE_BYTES)


_CHECKS: Final[Sequence[Callable[[pb.ImportRow], None]]] = (
    _check_text,
    _check_scope,
    _check_enums,
    _check_categories,
    _check_entities,
)
_PRECISIONS: Final = [name.rpartition("_")[2] for name in memory_pb2.EventTimePrecision.keys()][1:]  # noqa: SIM118


def _check_name(field: str, value: str, most: int) -> None:
    if not value:
        raise InvalidArgument.of(field, "must not be empty")
    _check_bytes(field, value, most)


def _check_bytes(field: str, value: str, most: int) -> None:
    if len(value) * 4 > most and len(value.encode()) > most:
        raise InvalidArgument.of(field, f"must be at most {most:,} bytes")


def _scope(row: pb.ImportRow, default: Scope, caller: Caller) -> Scope:
    """The row's scope within the key's; the options' one (narrowed before) if the row names no id."""
    if not from_scope(row.scope).is_empty:
        return write_scope(row.scope, caller)
    if default.is_empty:
        raise InvalidArgument.of(
            "scope", "name at least one id, here or in the options", Reason.SCOPE_REQUIRED
        )
    return default


def _expire_time(row: pb.ImportRow, now: datetime) -> datetime | None:
    if not row.HasField("expire_time"):
        return None
    return future(from_timestamp(row.expire_time, "expire_time"), now, "expire_time")


def _create_time(row: pb.ImportRow, now: datetime) -> datetime | None:
    if not row.HasField("create_time"):
        return None
    created = from_timestamp(row.create_time, "create_time")
    if created > now:
        raise InvalidArgument.of("create_time", "must not lie in the future")
    return created
