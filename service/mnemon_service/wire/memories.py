"""Memories, versions and messages of the contract and of the domain."""

from __future__ import annotations

from collections.abc import Iterable

from mnemon.v1 import memory_pb2, message_pb2
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.memory import Entity, EventTime, Memory, Precision, Role, Source, Version
from mnemon_service.model.message import Image, Message
from mnemon_service.wire.enums import MEMORY_STATES, MEMORY_TYPES, PRECISIONS, ROLES, VERSION_EVENTS
from mnemon_service.wire.metadata import to_struct
from mnemon_service.wire.scopes import to_scope
from mnemon_service.wire.times import from_timestamp, set_timestamp


def to_memory(memory: Memory, sequence: int = 0) -> memory_pb2.Memory:
    """The contract's message of a memory."""
    message = memory_pb2.Memory()
    write_memory(memory, message, sequence)
    return message


def write_memory(memory: Memory, target: memory_pb2.Memory, sequence: int = 0) -> None:
    """Writes a memory into a message's field."""
    target.id = memory.id
    target.text = memory.text
    to_scope(memory.scope, target.scope)
    target.type = MEMORY_TYPES.to_wire(memory.type)
    target.categories.extend(memory.categories)
    to_struct(memory.metadata, target.metadata)
    target.attributed_to = memory.attributed_to
    if memory.event_time is not None:
        write_event_time(memory.event_time, target.event_time)
    set_timestamp_if(target, "expire_time", memory)
    target.state = MEMORY_STATES.to_wire(memory.state)
    target.version = memory.version
    target.etag = memory.etag if memory.id else ""
    set_timestamp_if(target, "create_time", memory)
    set_timestamp_if(target, "update_time", memory)
    target.superseded_by = memory.superseded_by
    for source in memory.sources:
        _write_source(source, target.sources.add())
    for entity in memory.entities:
        target.entities.add(name=entity.name, type=entity.type)
    target.run_position = memory.run_position
    target.confidence = memory.confidence
    target.extractor = memory.extractor
    target.sequence = sequence or memory.sequence


def set_timestamp_if(target: memory_pb2.Memory, field: str, memory: Memory) -> None:
    """Writes the memory's time of this name, if it has one."""
    instant = getattr(memory, field)
    if instant is not None:
        set_timestamp(getattr(target, field), instant)


def write_event_time(event_time: EventTime, target: memory_pb2.EventTime) -> None:
    """Writes an event time into a message's field."""
    set_timestamp(target.time, event_time.time)
    target.precision = PRECISIONS.to_wire(event_time.precision)
    if event_time.end_time is not None:
        set_timestamp(target.end_time, event_time.end_time)


def from_event_time(event_time: memory_pb2.EventTime, field: str = "event_time") -> EventTime:
    """The domain's event time. Raises `InvalidArgument` if it ends before it begins."""
    begin = from_timestamp(event_time.time, f"{field}.time")
    end = None
    if event_time.HasField("end_time"):
        end = from_timestamp(event_time.end_time, f"{field}.end_time")
        if end < begin:
            raise InvalidArgument.of(f"{field}.end_time", "must not lie before time")
    return EventTime(begin, PRECISIONS.from_wire(event_time.precision, Precision.INSTANT), end)


def from_entities(entities: Iterable[memory_pb2.Entity]) -> tuple[Entity, ...]:
    """The domain's entities."""
    return tuple(Entity(entity.name, entity.type) for entity in entities)


def _write_source(source: Source, target: memory_pb2.Source) -> None:
    target.message_id = source.message_id
    target.role = ROLES.to_wire(source.role)
    target.name = source.name
    target.quote = source.quote
    if source.observed_time is not None:
        set_timestamp(target.observed_time, source.observed_time)


def to_version(version: Version) -> memory_pb2.Version:
    """The contract's message of a row of the log."""
    message = memory_pb2.Version(
        sequence=version.sequence,
        memory_id=version.memory.id,
        version=version.memory.version,
        event=VERSION_EVENTS.to_wire(version.event),
        previous_text=version.previous_text,
        actor=memory_pb2.Actor(key_id=version.actor.key_id, operation=version.actor.operation),
        reason=version.reason,
    )
    write_memory(version.memory, message.memory, version.sequence)
    if version.record_time is not None:
        set_timestamp(message.record_time, version.record_time)
    return message


def from_messages(messages: Iterable[message_pb2.Message]) -> list[Message]:
    """The domain's messages. Raises `InvalidArgument` for one that says and shows nothing."""
    return [_from_message(message, f"messages[{place}]") for place, message in enumerate(messages)]


def _from_message(message: message_pb2.Message, field: str) -> Message:
    if not message.content.strip() and not message.images:
        raise InvalidArgument.of(f"{field}.content", "must hold more than white space")
    observed_time = None
    if message.HasField("observed_time"):
        observed_time = from_timestamp(message.observed_time, f"{field}.observed_time")
    return Message(
        content=message.content,
        role=ROLES.from_wire(message.role, Role.USER),
        name=message.name.strip(),
        observed_time=observed_time,
        images=tuple(Image(image.media_type, image.data, image.uri) for image in message.images),
        recalled=message.recalled,
    )


def write_message(message: Message, target: message_pb2.LoggedMessage) -> None:
    """Writes a message of the conversation log into a message's field; pictures are not kept."""
    target.id = message.id
    to_scope(message.scope, target.scope)
    target.message.role = ROLES.to_wire(message.role)
    target.message.content = message.content
    target.message.name = message.name
    if message.observed_time is not None:
        set_timestamp(target.message.observed_time, message.observed_time)
    target.message.recalled = message.recalled
    target.run_position = message.position
