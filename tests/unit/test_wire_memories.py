"""Memories, versions, messages and operations on the wire: nothing is lost, and enums have equal names."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mnemon.v1 import error_reason_pb2, memory_pb2, message_pb2, operation_pb2
from mnemon_service.model.errors import InvalidArgument, Reason
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
from mnemon_service.model.message import Image, Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.operation import Operation, OperationState
from mnemon_service.wire import enums
from mnemon_service.wire.enums import EnumPair
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.memories import (
    from_entities,
    from_event_time,
    from_messages,
    to_memory,
    to_version,
    write_message,
)
from mnemon_service.wire.metadata import from_struct
from mnemon_service.wire.operations import ADD_MEMORIES, TYPES, to_operation
from mnemon_service.wire.scopes import from_scope
from mnemon_service.wire.times import from_timestamp
from support.calls import call

NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
FULL = Memory(
    id="0192f0c1-0000-7000-8000-000000000001",
    project_id="project",
    scope=Scope("u", "a", "p", "r"),
    text="Ana lives in Lisbon.",
    type=MemoryType.EPISODIC,
    categories=("home", "travel"),
    metadata={"tier": "gold", "since": 2020, "tags": ["x", None, {"deep": 0.5}]},
    attributed_to="Ana",
    event_time=EventTime(NOON, Precision.MONTH, NOON + timedelta(days=1)),
    expire_time=NOON + timedelta(days=9),
    state=MemoryState.SUPERSEDED,
    version=3,
    create_time=NOON,
    update_time=NOON + timedelta(seconds=1),
    superseded_by="0192f0c1-0000-7000-8000-000000000002",
    sources=(Source("m1", Role.ASSISTANT, "I moved", "Ana", NOON),),
    entities=(Entity("Lisbon", "PLACE"), Entity("Ana")),
    run_position=4,
    session="s",
    confidence=0.5,
    sequence=17,
    extractor="extract/1",
)
INTERNAL = {"project_id", "session"}
"""What callers are not shown."""


def read_back(message: memory_pb2.Memory) -> Memory:
    """What a client sees, in the domain's words."""
    return Memory(
        id=message.id,
        project_id="project",
        scope=from_scope(message.scope),
        text=message.text,
        type=enums.MEMORY_TYPES.from_wire(message.type, MemoryType.SEMANTIC),
        categories=tuple(message.categories),
        metadata=from_struct(message.metadata, "metadata"),
        attributed_to=message.attributed_to,
        event_time=from_event_time(message.event_time) if message.HasField("event_time") else None,
        expire_time=_time(message, "expire_time"),
        state=enums.MEMORY_STATES.from_wire(message.state, MemoryState.ACTIVE),
        version=message.version,
        create_time=_time(message, "create_time"),
        update_time=_time(message, "update_time"),
        superseded_by=message.superseded_by,
        sources=tuple(
            Source(
                source.message_id,
                enums.ROLES.from_wire(source.role, Role.USER),
                source.quote,
                source.name,
                _time(source, "observed_time"),
            )
            for source in message.sources
        ),
        entities=from_entities(message.entities),
        run_position=message.run_position,
        confidence=message.confidence,
        extractor=message.extractor,
        sequence=message.sequence,
    )


def _time(message: Any, field: str) -> datetime | None:
    return from_timestamp(getattr(message, field), field) if message.HasField(field) else None


@pytest.mark.parametrize(
    "memory",
    [
        FULL,
        replace(
            FULL,
            event_time=EventTime(NOON),
            expire_time=None,
            state=MemoryState.ACTIVE,
            superseded_by="",
            sources=(),
            metadata={},
        ),
        Memory(id="x", project_id="project", scope=Scope(user_id="u"), text="t"),
    ],
)
def test_a_client_sees_all_of_a_memory_but_what_is_internal(memory: Memory) -> None:
    seen = read_back(to_memory(memory))
    for field in fields(Memory):
        if field.name not in INTERNAL:
            assert getattr(seen, field.name) == getattr(memory, field.name), field.name
    assert to_memory(memory).etag == memory.etag


def test_what_would_be_new_in_a_dry_run_has_neither_id_nor_etag() -> None:
    message = to_memory(replace(FULL, id=""))
    assert (message.id, message.etag) == ("", "")


def test_a_version_shows_its_place_who_made_it_and_why() -> None:
    version = Version(
        9, VersionEvent.UPDATED, FULL, "before", Actor("key-1", "UpdateMemory"), "said so", NOON
    )
    message = to_version(version)
    assert (message.sequence, message.memory.sequence, message.version) == (9, 9, 3)
    assert message.event == memory_pb2.VERSION_EVENT_UPDATED
    assert (message.memory_id, message.previous_text, message.reason) == (FULL.id, "before", "said so")
    assert (message.actor.key_id, message.actor.operation) == ("key-1", "UpdateMemory")
    assert _time(message, "record_time") == NOON


def test_an_event_cannot_end_before_it_begins() -> None:
    message = to_memory(FULL).event_time
    message.end_time.CopyFrom(message.time)
    assert from_event_time(message).end_time == NOON
    message.end_time.seconds -= 1
    with pytest.raises(InvalidArgument) as refused:
        from_event_time(message, "rows[3].event_time")
    assert refused.value.violations[0].field == "rows[3].event_time.end_time"


def test_a_message_is_read_as_it_was_given() -> None:
    image = message_pb2.Image(media_type="image/png", data=b"png")
    given = message_pb2.Message(
        role=memory_pb2.ROLE_TOOL, content=" as it is ", name=" Ana ", images=[image], recalled=True
    )
    (message,) = from_messages([given])
    assert message == Message(
        " as it is ", Role.TOOL, "Ana", images=(Image("image/png", b"png"),), recalled=True
    )


def test_a_message_without_a_role_is_the_users_and_one_without_content_needs_a_picture() -> None:
    picture = message_pb2.Image(uri="https://example.com/a.png")
    (message,) = from_messages([message_pb2.Message(images=[picture])])
    assert (message.role, message.images[0].uri) == (Role.USER, "https://example.com/a.png")
    with pytest.raises(InvalidArgument) as refused:
        from_messages([message_pb2.Message(content="a"), message_pb2.Message(content=" \n")])
    assert refused.value.violations[0].field == "messages[1].content"


def test_a_logged_message_is_shown_without_its_pictures() -> None:
    logged = message_pb2.LoggedMessage()
    said = Message("hello", Role.SYSTEM, "Ana", NOON, "m1", (Image(data=b"x"),), True, Scope(user_id="u"), 5)
    write_message(said, logged)
    (back,) = from_messages([logged.message])
    assert back == replace(said, id="", images=(), scope=Scope(), position=0)
    assert (logged.id, logged.run_position, logged.scope.user_id) == ("m1", 5, "u")


@pytest.mark.parametrize("pair", [value for value in vars(enums).values() if isinstance(value, EnumPair)])
def test_every_value_of_an_enum_goes_both_ways(pair: EnumPair[Any]) -> None:
    for member, number in pair._to_wire.items():
        assert number > 0
        assert pair.from_wire(pair.to_wire(member), None) is member


def test_unspecified_means_the_documented_default() -> None:
    assert enums.ROLES.from_wire(0, Role.USER) is Role.USER


def test_the_domain_and_the_contract_know_the_same_reasons() -> None:
    contract = {
        name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    }
    assert contract == {reason.value for reason in Reason} | {"UNSPECIFIED"}


def operation(state: OperationState, **changes: Any) -> Operation:
    return Operation(
        "operation-1",
        "project",
        ADD_MEMORIES,
        state,
        Scope(user_id="u"),
        "key-1",
        b"",
        NOON,
        NOON,
        **changes,
    )


FAILED_ONCE: dict[str, Any] = {
    "attempts": 1,
    "error_reason": "PROVIDER_UNAVAILABLE",
    "error_message": "openai does not answer",
    "available_time": NOON + timedelta(seconds=4),
}


def test_an_operation_that_waits_for_its_next_try_says_when_and_why() -> None:
    shown = to_operation(operation(OperationState.PENDING, **FAILED_ONCE))
    assert (shown.state, shown.error.reason) == (
        operation_pb2.OPERATION_STATE_PENDING,
        "PROVIDER_UNAVAILABLE",
    )
    assert _time(shown, "retry_time") == NOON + timedelta(seconds=4)


def test_an_operation_that_came_right_in_the_end_shows_no_error() -> None:
    result = operation_pb2.AddMemoriesResult(message_ids=["m1"]).SerializeToString()
    shown = to_operation(operation(OperationState.SUCCEEDED, result=result, **FAILED_ONCE))
    assert not shown.HasField("error")
    assert not shown.HasField("retry_time")
    assert list(shown.add_memories.message_ids) == ["m1"]


def test_every_state_and_kind_of_operation_is_in_the_contract() -> None:
    for state in OperationState:
        assert to_operation(operation(state)).state > 0
    kinds = {number for number in operation_pb2.OperationKind.values() if number}
    assert set(TYPES) == kinds


def test_the_same_body_has_the_same_key_and_another_body_or_method_another() -> None:
    ask, other = memory_pb2.Entity(name="a"), memory_pb2.Entity(name="b")
    first = request_key(call("MemoryService/AddMemories"), "r1", ask)
    assert first == request_key(call("MemoryService/AddMemories"), "r1", ask)
    assert first != request_key(call("MemoryService/AddMemories"), "r1", other)
    assert first != request_key(call("MemoryService/UpdateMemory"), "r1", ask)
    assert request_key(call("MemoryService/AddMemories"), "", ask) is None
