"""Between the stubs of memory_service.proto and its types.

Made from mnemon/v1/memory_service.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._convert.change import read_change, read_refusal
from mnemon._convert.memory import (
    read_entity,
    read_event_time,
    read_memory,
    read_version,
    write_entity,
    write_event_time,
)
from mnemon._convert.operation import read_import_memories_result, read_operation
from mnemon._convert.scope import read_scope, write_scope
from mnemon._convert.usage import read_usage
from mnemon._types.memory_service import (
    AddMemoriesResponse,
    BatchGetMemoriesResponse,
    DeleteMemoriesResponse,
    ExportMemoriesResponse,
    ImportMemoriesResponse,
    ImportRow,
)
from mnemon.v1 import memory_service_pb2


def read_add_memories_response(message: memory_service_pb2.AddMemoriesResponse) -> AddMemoriesResponse:
    """The `AddMemoriesResponse` that the message holds."""
    return AddMemoriesResponse(
        changes=tuple(read_change(item) for item in message.changes),
        message_ids=tuple(message.message_ids),
        usage=read_usage(message.usage),
        refusals=tuple(read_refusal(item) for item in message.refusals),
        sequence=message.sequence,
    )


def read_import_row(message: memory_service_pb2.ImportRow) -> ImportRow:
    """The `ImportRow` that the message holds."""
    return ImportRow(
        row=message.row,
        text=message.text,
        scope=read_scope(message.scope) if message.HasField("scope") else None,
        type=enums.MEMORY_TYPE.read(message.type),
        categories=tuple(message.categories),
        metadata=values.read_struct(message.metadata),
        attributed_to=message.attributed_to,
        event_time=read_event_time(message.event_time) if message.HasField("event_time") else None,
        expire_time=values.read_time(message.expire_time) if message.HasField("expire_time") else None,
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
        entities=tuple(read_entity(item) for item in message.entities),
    )


def write_import_row(value: ImportRow | Mapping[str, Any]) -> memory_service_pb2.ImportRow:
    """The message of a `ImportRow`, or of a mapping with its fields."""
    record = values.as_record(ImportRow, value)
    return memory_service_pb2.ImportRow(
        row=record.row,
        text=record.text,
        scope=write_scope(record.scope) if record.scope is not None else None,
        type=enums.MEMORY_TYPE.write(record.type),
        categories=record.categories,
        metadata=values.write_struct(record.metadata),
        attributed_to=record.attributed_to,
        event_time=write_event_time(record.event_time) if record.event_time is not None else None,
        expire_time=values.write_time(record.expire_time) if record.expire_time is not None else None,
        create_time=values.write_time(record.create_time) if record.create_time is not None else None,
        entities=[write_entity(item) for item in record.entities],
    )


def read_import_memories_response(
    message: memory_service_pb2.ImportMemoriesResponse,
) -> ImportMemoriesResponse:
    """The `ImportMemoriesResponse` that the message holds."""
    return ImportMemoriesResponse(
        result=read_import_memories_result(message.result), operation_id=message.operation_id
    )


def read_export_memories_response(
    message: memory_service_pb2.ExportMemoriesResponse,
) -> ExportMemoriesResponse:
    """The `ExportMemoriesResponse` that the message holds."""
    return ExportMemoriesResponse(
        memories=tuple(read_memory(item) for item in message.memories),
        versions=tuple(read_version(item) for item in message.versions),
        sequence=message.sequence,
        resume_token=message.resume_token,
        exported_count=message.exported_count,
    )


def read_batch_get_memories_response(
    message: memory_service_pb2.BatchGetMemoriesResponse,
) -> BatchGetMemoriesResponse:
    """The `BatchGetMemoriesResponse` that the message holds."""
    return BatchGetMemoriesResponse(
        memories=tuple(read_memory(item) for item in message.memories), missing_ids=tuple(message.missing_ids)
    )


def read_delete_memories_response(
    message: memory_service_pb2.DeleteMemoriesResponse,
) -> DeleteMemoriesResponse:
    """The `DeleteMemoriesResponse` that the message holds."""
    return DeleteMemoriesResponse(
        matched_count=message.matched_count,
        operation=read_operation(message.operation) if message.HasField("operation") else None,
    )
