"""Between the stubs of operation.proto and its types.

Made from mnemon/v1/operation.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._convert.change import read_change, read_refusal
from mnemon._convert.memory import read_actor
from mnemon._convert.scope import read_scope
from mnemon._convert.usage import read_usage
from mnemon._types.operation import (
    AddMemoriesResult,
    DeleteMemoriesResult,
    ErasureReceipt,
    ImportMemoriesResult,
    Operation,
    OperationError,
    OperationProgress,
    RebuildIndexResult,
    RowError,
)
from mnemon.v1 import operation_pb2


def read_operation_progress(message: operation_pb2.OperationProgress) -> OperationProgress:
    """The `OperationProgress` that the message holds."""
    return OperationProgress(done=message.done, total=message.total, stage=message.stage)


def read_operation_error(message: operation_pb2.OperationError) -> OperationError:
    """The `OperationError` that the message holds."""
    return OperationError(code=message.code, reason=message.reason, message=message.message)


def read_add_memories_result(message: operation_pb2.AddMemoriesResult) -> AddMemoriesResult:
    """The `AddMemoriesResult` that the message holds."""
    return AddMemoriesResult(
        changes=tuple(read_change(item) for item in message.changes),
        message_ids=tuple(message.message_ids),
        usage=read_usage(message.usage),
        refusals=tuple(read_refusal(item) for item in message.refusals),
    )


def read_delete_memories_result(message: operation_pb2.DeleteMemoriesResult) -> DeleteMemoriesResult:
    """The `DeleteMemoriesResult` that the message holds."""
    return DeleteMemoriesResult(deleted_count=message.deleted_count)


def read_row_error(message: operation_pb2.RowError) -> RowError:
    """The `RowError` that the message holds."""
    return RowError(row=message.row, field=message.field, message=message.message, reason=message.reason)


def read_import_memories_result(message: operation_pb2.ImportMemoriesResult) -> ImportMemoriesResult:
    """The `ImportMemoriesResult` that the message holds."""
    return ImportMemoriesResult(
        imported_count=message.imported_count,
        duplicate_count=message.duplicate_count,
        refused_count=message.refused_count,
        errors=tuple(read_row_error(item) for item in message.errors),
    )


def read_rebuild_index_result(message: operation_pb2.RebuildIndexResult) -> RebuildIndexResult:
    """The `RebuildIndexResult` that the message holds."""
    return RebuildIndexResult(indexed_count=message.indexed_count)


def read_erasure_receipt(message: operation_pb2.ErasureReceipt) -> ErasureReceipt:
    """The `ErasureReceipt` that the message holds."""
    return ErasureReceipt(
        subject=read_scope(message.subject),
        memory_count=message.memory_count,
        version_count=message.version_count,
        message_count=message.message_count,
        entity_count=message.entity_count,
        sequence=message.sequence,
        erase_time=values.read_time(message.erase_time) if message.HasField("erase_time") else None,
        signature=message.signature,
    )


def read_operation(message: operation_pb2.Operation) -> Operation:
    """The `Operation` that the message holds."""
    return Operation(
        id=message.id,
        kind=enums.OPERATION_KIND.read(message.kind),
        state=enums.OPERATION_STATE.read(message.state),
        progress=read_operation_progress(message.progress),
        attempts=message.attempts,
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
        start_time=values.read_time(message.start_time) if message.HasField("start_time") else None,
        end_time=values.read_time(message.end_time) if message.HasField("end_time") else None,
        retry_time=values.read_time(message.retry_time) if message.HasField("retry_time") else None,
        actor=read_actor(message.actor),
        scope=read_scope(message.scope),
        error=read_operation_error(message.error) if message.HasField("error") else None,
        add_memories=read_add_memories_result(message.add_memories)
        if message.HasField("add_memories")
        else None,
        delete_memories=read_delete_memories_result(message.delete_memories)
        if message.HasField("delete_memories")
        else None,
        import_memories=read_import_memories_result(message.import_memories)
        if message.HasField("import_memories")
        else None,
        rebuild_index=read_rebuild_index_result(message.rebuild_index)
        if message.HasField("rebuild_index")
        else None,
        erasure_receipt=read_erasure_receipt(message.erasure_receipt)
        if message.HasField("erasure_receipt")
        else None,
    )
