"""Between the stubs of memory.proto and its types.

Made from mnemon/v1/memory.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._convert.scope import read_scope
from mnemon._types.memory import Actor, Entity, EventTime, Memory, Source, Version
from mnemon.v1 import memory_pb2


def read_event_time(message: memory_pb2.EventTime) -> EventTime:
    """The `EventTime` that the message holds."""
    return EventTime(
        time=values.read_time(message.time) if message.HasField("time") else None,
        precision=enums.EVENT_TIME_PRECISION.read(message.precision),
        end_time=values.read_time(message.end_time) if message.HasField("end_time") else None,
    )


def write_event_time(value: EventTime | Mapping[str, Any]) -> memory_pb2.EventTime:
    """The message of a `EventTime`, or of a mapping with its fields."""
    record = values.as_record(EventTime, value)
    return memory_pb2.EventTime(
        time=values.write_time(record.time) if record.time is not None else None,
        precision=enums.EVENT_TIME_PRECISION.write(record.precision),
        end_time=values.write_time(record.end_time) if record.end_time is not None else None,
    )


def read_source(message: memory_pb2.Source) -> Source:
    """The `Source` that the message holds."""
    return Source(
        message_id=message.message_id,
        role=enums.ROLE.read(message.role),
        name=message.name,
        quote=message.quote,
        observed_time=values.read_time(message.observed_time) if message.HasField("observed_time") else None,
    )


def read_entity(message: memory_pb2.Entity) -> Entity:
    """The `Entity` that the message holds."""
    return Entity(name=message.name, type=message.type)


def write_entity(value: Entity | Mapping[str, Any]) -> memory_pb2.Entity:
    """The message of a `Entity`, or of a mapping with its fields."""
    record = values.as_record(Entity, value)
    return memory_pb2.Entity(name=record.name, type=record.type)


def read_memory(message: memory_pb2.Memory) -> Memory:
    """The `Memory` that the message holds."""
    return Memory(
        id=message.id,
        text=message.text,
        scope=read_scope(message.scope),
        type=enums.MEMORY_TYPE.read(message.type),
        categories=tuple(message.categories),
        metadata=values.read_struct(message.metadata),
        attributed_to=message.attributed_to,
        event_time=read_event_time(message.event_time) if message.HasField("event_time") else None,
        expire_time=values.read_time(message.expire_time) if message.HasField("expire_time") else None,
        state=enums.MEMORY_STATE.read(message.state),
        version=message.version,
        etag=message.etag,
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
        update_time=values.read_time(message.update_time) if message.HasField("update_time") else None,
        superseded_by=message.superseded_by,
        sources=tuple(read_source(item) for item in message.sources),
        entities=tuple(read_entity(item) for item in message.entities),
        run_position=message.run_position,
        confidence=message.confidence,
        extractor=message.extractor,
        sequence=message.sequence,
    )


def read_actor(message: memory_pb2.Actor) -> Actor:
    """The `Actor` that the message holds."""
    return Actor(key_id=message.key_id, operation=message.operation)


def read_version(message: memory_pb2.Version) -> Version:
    """The `Version` that the message holds."""
    return Version(
        sequence=message.sequence,
        memory_id=message.memory_id,
        version=message.version,
        event=enums.VERSION_EVENT.read(message.event),
        memory=read_memory(message.memory),
        previous_text=message.previous_text,
        actor=read_actor(message.actor),
        reason=message.reason,
        record_time=values.read_time(message.record_time) if message.HasField("record_time") else None,
    )
