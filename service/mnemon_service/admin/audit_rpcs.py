"""The audit log: reading it and checking its chain."""

from __future__ import annotations

from mnemon.v1 import accounting_pb2
from mnemon.v1 import admin_service_pb2 as pb
from mnemon_service.model.call import Call
from mnemon_service.model.caller import KeyRole
from mnemon_service.record.audit import Audit, AuditEntry
from mnemon_service.record.selection import DEFAULT_PAGE_SIZE
from mnemon_service.wire.enums import KEY_ROLES
from mnemon_service.wire.times import set_timestamp


class AuditRpcs:
    """ListAudit, VerifyAudit."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def ListAudit(self, request: pb.ListAuditRequest, call: Call) -> pb.ListAuditResponse:
        """See the contract."""
        whole_server = call.caller.role is KeyRole.ROOT
        entries, token = await self._audit.list(
            None if whole_server else call.caller.project_id,
            page_size=request.page_size or DEFAULT_PAGE_SIZE,
            page_token=request.page_token,
        )
        return pb.ListAuditResponse(entries=[_to_entry(entry) for entry in entries], next_page_token=token)

    async def VerifyAudit(self, _: pb.VerifyAuditRequest, call: Call) -> pb.VerifyAuditResponse:
        """See the contract."""
        with call.stages.stage("verify"):
            check = await self._audit.verify()
        return pb.VerifyAuditResponse(
            intact=check.first_broken_sequence == 0,
            entry_count=check.entry_count,
            first_broken_sequence=check.first_broken_sequence,
        )


def _to_entry(entry: AuditEntry) -> accounting_pb2.AuditEntry:
    event = entry.event
    message = accounting_pb2.AuditEntry(
        sequence=entry.sequence,
        key_id=event.key_id,
        role=KEY_ROLES.to_wire(event.role),
        action=event.action,
        resource=event.resource,
        detail=event.detail,
        project_id=event.project_id,
        hash=entry.hash,
    )
    set_timestamp(message.record_time, entry.record_time)
    return message
