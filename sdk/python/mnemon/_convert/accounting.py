"""Between the stubs of accounting.proto and its types.

Made from mnemon/v1/accounting.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._types.accounting import AuditEntry, RequestLogEntry, UsageRow
from mnemon.v1 import accounting_pb2


def read_usage_row(message: accounting_pb2.UsageRow) -> UsageRow:
    """The `UsageRow` that the message holds."""
    return UsageRow(
        day=message.day,
        owner=message.owner,
        model=message.model,
        calls=message.calls,
        failed_calls=message.failed_calls,
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        memories_added=message.memories_added,
        searches=message.searches,
    )


def read_request_log_entry(message: accounting_pb2.RequestLogEntry) -> RequestLogEntry:
    """The `RequestLogEntry` that the message holds."""
    return RequestLogEntry(
        id=message.id,
        method=message.method,
        code=message.code,
        reason=message.reason,
        key_id=message.key_id,
        milliseconds=message.milliseconds,
        start_time=values.read_time(message.start_time) if message.HasField("start_time") else None,
    )


def read_audit_entry(message: accounting_pb2.AuditEntry) -> AuditEntry:
    """The `AuditEntry` that the message holds."""
    return AuditEntry(
        sequence=message.sequence,
        record_time=values.read_time(message.record_time) if message.HasField("record_time") else None,
        key_id=message.key_id,
        role=enums.KEY_ROLE.read(message.role),
        action=message.action,
        resource=message.resource,
        detail=message.detail,
        project_id=message.project_id,
        hash=message.hash,
    )
