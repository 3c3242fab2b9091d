"""Rows of the tables and the domain's words, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.indexed_text import indexed_text
from mnemon_service.model.memory import (
    Actor,
    Entity,
    EventTime,
    Memory,
    MemoryState,
    MemoryType,
    Precision,
    Role,
    Source,
    Version,
    VersionEvent,
)
from mnemon_service.model.scope import Scope
from mnemon_service.model.text_hash import duplicate_hash, text_hash
from mnemon_service.record.schema import memories, versions
from mnemon_service.record.times import from_micros, optional_micros, optional_time, to_micros

Row = Sequence[Any]
Values = dict[str, Any]

MEMORY_COLUMNS: Final = (
    "project_id",
    "id",
    "user_id",
    "agent_id",
    "app_id",
    "run_id",
    "text",
    "type",
    "categories",
    "metadata",
    "attributed_to",
    "event_time",
    "event_precision",
    "event_end_time",
    "expire_time",
    "state",
    "version",
    "create_time",
    "update_time",
    "superseded_by",
    "sources",
    "entities",
    "run_position",
    "session",
    "confidence",
    "extractor",
    "sequence",
)
VERSION_COLUMNS: Final = (
    *MEMORY_COLUMNS,
    "event",
    "previous_text",
    "actor_key",
    "actor_operation",
    "reason",
    "record_time",
)

_WIDTH: Final = len(MEMORY_COLUMNS)
_STATES: Final = {state.value: state for state in MemoryState}
_ROLES: Final = {role.value: role for role in Role}
_TYPES: Final = {type_.value: type_ for type_ in MemoryType}


def memory_columns(table: sa.FromClause = memories) -> list[sa.ColumnElement[Any]]:
    """What to select for `memory_of`."""
    return [table.c[name] for name in MEMORY_COLUMNS]


def version_columns(table: sa.FromClause = versions) -> list[sa.ColumnElement[Any]]:
    """What to select for `version_of`; it begins with the columns of `memory_of`."""
    return [table.c[name] for name in VERSION_COLUMNS]


def memory_of(row: Row) -> Memory:
    """The memory in a row that begins with `memory_columns`."""
    (
        project_id,
        memory_id,
        user_id,
        agent_id,
        app_id,
        run_id,
        text,
        type_,
        categories,
        metadata,
        attributed_to,
        event_time,
        event_precision,
        event_end_time,
        expire_time,
        state,
        version,
        create_time,
        update_time,
        superseded_by,
        sources,
        entities,
        run_position,
        session,
        confidence,
        extractor,
        sequence,
    ) = row[:_WIDTH]
    return Memory(
        id=memory_id,
        project_id=project_id,
        scope=Scope(user_id, agent_id, app_id, run_id),
        text=text,
        type=_TYPES[type_],
        categories=() if categories == "[]" else tuple(json.loads(categories)),
        metadata={} if metadata == "{}" else _parse_metadata(metadata),
        attributed_to=attributed_to,
        event_time=None
        if event_time is None
        else EventTime(from_micros(event_time), Precision(event_precision), optional_time(event_end_time)),
        expire_time=optional_time(expire_time),
        state=_STATES[state],
        version=version,
        create_time=from_micros(create_time),
        update_time=from_micros(update_time),
        superseded_by=superseded_by,
        sources=() if sources == "[]" else tuple(_source_of(source) for source in json.loads(sources)),
        entities=()
        if entities == "[]"
        else tuple(Entity(one["name"], one["type"]) for one in json.loads(entities)),
        run_position=run_position,
        session=session,
        confidence=confidence,
        extractor=extractor,
        sequence=sequence,
    )


def version_of(row: Row) -> Version:
    """The version in a row that begins with `version_columns`."""
    event, previous_text, actor_key, actor_operation, reason, record_time = row[_WIDTH : _WIDTH + 6]
    return Version(
        sequence=row[_WIDTH - 1],
        event=VersionEvent(event),
        memory=memory_of(row),
        previous_text=previous_text,
        actor=Actor(actor_key, actor_operation),
        reason=reason,
        record_time=from_micros(record_time),
    )


def memory_values(memory: Memory) -> Values:
    """The columns of a memory."""
    event = memory.event_time
    return {
        "project_id": memory.project_id,
        "id": memory.id,
        "user_id": memory.scope.user_id,
        "agent_id": memory.scope.agent_id,
        "app_id": memory.scope.app_id,
        "run_id": memory.scope.run_id,
        "owner": memory.scope.owner,
        "text": memory.text,
        "text_hash": embedded_hash(memory),
        "duplicate_hash": duplicate_hash(memory.text),
        "type": memory.type.value,
        "categories": _json(memory.categories) if memory.categories else "[]",
        "metadata": _json(memory.metadata) if memory.metadata else "{}",
        "attributed_to": memory.attributed_to,
        "event_time": None if event is None else to_micros(event.time),
        "event_precision": "" if event is None else event.precision.value,
        "event_end_time": None if event is None else optional_micros(event.end_time),
        "expire_time": optional_micros(memory.expire_time),
        "state": memory.state.value,
        "version": memory.version,
        "create_time": optional_micros(memory.create_time),
        "update_time": optional_micros(memory.update_time),
        "superseded_by": memory.superseded_by,
        "sources": _json([_source_values(source) for source in memory.sources]) if memory.sources else "[]",
        "entities": _json([{"name": entity.name, "type": entity.type} for entity in memory.entities])
        if memory.entities
        else "[]",
        "run_position": memory.run_position,
        "session": memory.session,
        "confidence": memory.confidence,
        "extractor": memory.extractor,
        "sequence": memory.sequence,
    }


def embedded_hash(memory: Memory) -> str:
    """Names the text whose vector is the memory's: that of `model.indexed_text`."""
    return text_hash(indexed_text(memory.text, memory.attributed_to))


def version_values(version: Version, memory: Values) -> Values:
    """The columns of a row of the log; `memory` are those of the memory in it."""
    return memory | {
        "event": version.event.value,
        "previous_text": version.previous_text,
        "actor_key": version.actor.key_id,
        "actor_operation": version.actor.operation,
        "reason": version.reason,
        "record_time": optional_micros(version.record_time),
        "erased": version.event is VersionEvent.ERASED,
    }


ERASED_CONTENT: Final[Mapping[str, Any]] = {
    "text": "",
    "text_hash": "",
    "duplicate_hash": "",
    "categories": "[]",
    "metadata": "{}",
    "attributed_to": "",
    "event_time": None,
    "event_precision": "",
    "event_end_time": None,
    "sources": "[]",
    "entities": "[]",
    "session": "",
    "previous_text": "",
    "reason": "",
    "erased": True,
}
"""What an erasure writes over every row of a memory's history."""


def checked_text(field: str, text: str) -> str:
    """The text itself. Raises `InvalidArgument` for what a database cannot keep: NUL, half a character."""
    if "\x00" in text:
        raise InvalidArgument.of(field, "must not contain the character NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument.of(field, "must be valid Unicode") from None
    return text


def check_memory(memory: Memory) -> None:
    """Raise `InvalidArgument` for content that one of the databases could not keep as it is."""
    checked_text("text", memory.text)
    for field in (*memory.scope.named().values(), memory.attributed_to, memory.session, memory.extractor):
        checked_text("memory", field)
    _check_json("metadata", dict(memory.metadata))
    _check_json("categories", list(memory.categories))
    for source in memory.sources:
        checked_text("sources", source.quote + source.name + source.message_id)
    for entity in memory.entities:
        checked_text("entities", entity.name + entity.type)


def _check_json(field: str, value: object) -> None:
    """Numbers must be finite doubles, keys strings, and no text hold NUL."""
    if isinstance(value, str):
        checked_text(field, value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _check_json(field, key)
            _check_json(field, inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_json(field, inner)
    elif value is not None and not isinstance(value, bool):
        _check_number(field, value)


def _check_number(field: str, value: object) -> None:
    if not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise InvalidArgument.of(field, "must hold JSON values only, with finite numbers")


_LARGEST: Final = 1.7976931348623157e308


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _number_of(digits: str) -> int | float:
    """PostgreSQL writes a large double out as an integer of all its digits; it stays a double."""
    return int(digits) if len(digits) <= _EXACT_DIGITS else float(digits)


_EXACT_DIGITS: Final = 16
_parse_metadata: Final = json.JSONDecoder(parse_int=_number_of).decode


def _source_values(source: Source) -> Values:
    return {
        "message_id": source.message_id,
        "role": source.role.value,
        "quote": source.quote,
        "name": source.name,
        "observed_time": optional_micros(source.observed_time),
    }


def _source_of(values: Values) -> Source:
    return Source(
        values["message_id"],
        _ROLES[values["role"]],
        values["quote"],
        values["name"],
        optional_time(values["observed_time"]),
    )
