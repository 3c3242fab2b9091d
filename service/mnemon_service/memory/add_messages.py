"""AddMemories on the wire: the request's words into the domain's, the outcome into the answer's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mnemon.v1 import change_pb2, memory_service_pb2, operation_pb2
from mnemon_service.memory.planned import AddOutcome, AddRequest, Change
from mnemon_service.model.caller import Caller
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import MemoryType
from mnemon_service.model.message import Message
from mnemon_service.model.stages import Stages
from mnemon_service.wire.enums import MEMORY_TYPES
from mnemon_service.wire.memories import from_event_time, from_messages, write_memory
from mnemon_service.wire.metadata import from_struct
from mnemon_service.wire.scopes import write_scope
from mnemon_service.wire.times import from_duration, from_timestamp
from mnemon_service.wire.usage import write_usage


def from_request(
    request: memory_service_pb2.AddMemoriesRequest, caller: Caller, now: datetime | None = None
) -> AddRequest:
    """What the caller wants remembered. Raises `InvalidArgument` for what the contract's rules cannot say.

    `now` is when the request was made, if that is not this moment: messages without a time of their own
    were said then, and a span of life counts from then.
    """
    now = now or datetime.now(UTC)
    scope = write_scope(request.scope, caller)
    if not request.messages and not request.texts:
        raise InvalidArgument.of("messages", "give at least one message or text")
    for place, text in enumerate(request.texts):
        if not text.strip():
            raise InvalidArgument.of(f"texts[{place}]", "must hold more than white space")
    infer = request.infer if request.HasField("infer") else True
    messages = [
        replace(message, id=new_id(), observed_time=message.observed_time or now)
        for message in from_messages(request.messages)
    ]
    if infer:
        messages += [Message(text, id=new_id(), observed_time=now) for text in request.texts]
    else:
        _check_lengths(messages)
    return AddRequest(
        scope=scope,
        messages=tuple(messages),
        texts=() if infer else tuple(request.texts),
        infer=infer,
        metadata=from_struct(request.metadata, "metadata"),
        categories=tuple(request.categories),
        type=MEMORY_TYPES.from_wire(request.type, MemoryType.SEMANTIC) if request.type else None,
        expire_time=_expire_time(request, now),
        event_time=from_event_time(request.event_time) if request.HasField("event_time") else None,
        custom_instructions=request.custom_instructions,
        includes=tuple(request.includes),
        excludes=tuple(request.excludes),
        dry_run=request.dry_run,
    )


def _check_lengths(messages: Iterable[Message]) -> None:
    for place, message in enumerate(messages):
        if len(message.content.encode()) > 32_768:
            raise InvalidArgument.of(
                f"messages[{place}].content",
                "must be at most 32,768 bytes to be stored as it is (infer false)",
            )


def _expire_time(request: memory_service_pb2.AddMemoriesRequest, now: datetime) -> datetime | None:
    match request.WhichOneof("expiry"):
        case "expire_time":
            return future(from_timestamp(request.expire_time, "expire_time"), now, "expire_time")
        case "ttl":
            try:
                return now + from_duration(request.ttl, "ttl")
            except OverflowError:
                raise InvalidArgument.of("ttl", "is too long") from None
        case _:
            return None


def future(instant: datetime, now: datetime, field: str) -> datetime:
    """The instant. Raises `InvalidArgument` if it has passed."""
    if instant <= now:
        raise InvalidArgument.of(field, "must lie in the future")
    return instant


def to_response(outcome: AddOutcome, stages: Stages) -> memory_service_pb2.AddMemoriesResponse:
    """The answer of AddMemories."""
    response = memory_service_pb2.AddMemoriesResponse(
        message_ids=outcome.message_ids, sequence=outcome.sequence
    )
    _write_outcome(outcome, response)
    write_usage(stages, outcome.usage, response.usage)
    return response


def to_result(outcome: AddOutcome, stages: Stages) -> operation_pb2.AddMemoriesResult:
    """The result of an add in the background."""
    result = operation_pb2.AddMemoriesResult(message_ids=outcome.message_ids)
    _write_outcome(outcome, result)
    write_usage(stages, outcome.usage, result.usage)
    return result


def _write_outcome(outcome: AddOutcome, target: Any) -> None:  # noqa: ANN401 (two messages with the same fields)
    for change in outcome.changes:
        _write_change(change, target.changes.add())
    for refused in outcome.refusals:
        target.refusals.add(reason=refused.reason, detail=refused.detail, message_id=refused.message_id)


def _write_change(change: Change, target: change_pb2.Change) -> None:
    target.event = change_pb2.ChangeEvent.Value(f"CHANGE_EVENT_{change.event}")
    write_memory(change.memory, target.memory)
    target.previous_text = change.previous_text
    target.reason = change.reason
    if change.superseded is not None:
        write_memory(change.superseded, target.superseded)
