"""Operations of the queue as the contract shows them."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from mnemon.v1 import operation_pb2 as pb
from mnemon_service.record.operation import Operation, OperationState
from mnemon_service.wire.scopes import to_scope
from mnemon_service.wire.times import set_timestamp

ADD_MEMORIES: Final = "AddMemories"
DELETE_MEMORIES: Final = "DeleteMemories"
IMPORT_MEMORIES: Final = "ImportMemories"
REBUILD_INDEX: Final = "RebuildIndex"
DELETE_PROJECT: Final = "DeleteProject"
DELETE_ENTITY: Final = "DeleteEntity"
ERASE_SUBJECT: Final = "EraseSubject"

_KINDS: Final = {
    ADD_MEMORIES: pb.OPERATION_KIND_ADD_MEMORIES,
    DELETE_MEMORIES: pb.OPERATION_KIND_DELETE_MEMORIES,
    IMPORT_MEMORIES: pb.OPERATION_KIND_IMPORT_MEMORIES,
    REBUILD_INDEX: pb.OPERATION_KIND_REBUILD_INDEX,
    DELETE_PROJECT: pb.OPERATION_KIND_DELETE_PROJECT,
    DELETE_ENTITY: pb.OPERATION_KIND_DELETE_ENTITY,
    ERASE_SUBJECT: pb.OPERATION_KIND_ERASE_SUBJECT,
}
TYPES: Final = {kind: name for name, kind in _KINDS.items()}
"""The record's name of each kind."""

_RESULTS: Final = {
    ADD_MEMORIES: "add_memories",
    DELETE_MEMORIES: "delete_memories",
    DELETE_ENTITY: "delete_memories",
    DELETE_PROJECT: "delete_memories",
    IMPORT_MEMORIES: "import_memories",
    REBUILD_INDEX: "rebuild_index",
    ERASE_SUBJECT: "erasure_receipt",
}


def to_operation(operation: Operation) -> pb.Operation:
    """The contract's message of an operation. Its result is kept as bytes of a message."""
    message = pb.Operation(
        id=operation.id,
        kind=_KINDS[operation.type],
        state=pb.OperationState.Value(f"OPERATION_STATE_{operation.state}"),
        progress=pb.OperationProgress(done=operation.progress_done, total=operation.progress_total),
        attempts=operation.attempts,
        error=_error(operation),
    )
    message.actor.key_id = operation.actor_key
    message.actor.operation = f"operations/{operation.id}"
    if not operation.scope.is_empty:
        to_scope(operation.scope, message.scope)
    for field, instant in (
        ("create_time", operation.create_time),
        ("start_time", operation.start_time),
        ("end_time", operation.end_time),
    ):
        if instant is not None:
            set_timestamp(getattr(message, field), instant)
    if operation.attempts and message.state == pb.OPERATION_STATE_PENDING and operation.available_time:
        set_timestamp(message.retry_time, operation.available_time)
    if operation.result:
        result: Message = getattr(message, _RESULTS[operation.type])
        result.MergeFromString(operation.result)
    return message


def _error(operation: Operation) -> pb.OperationError | None:
    """Why it was given up or why its last try failed; what came right in the end has no error."""
    if not operation.error_reason or operation.state is OperationState.SUCCEEDED:
        return None
    return pb.OperationError(reason=operation.error_reason, message=operation.error_message)
