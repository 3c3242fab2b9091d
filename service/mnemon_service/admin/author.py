"""Who changes what, for the audit log; and which project an administrator may manage."""

from __future__ import annotations

from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import NotFound, Reason
from mnemon_service.record.audit import AuditEvent


def audit_event(call: Call, resource: str, project_id: str, detail: str = "") -> AuditEvent:
    """The entry for what this call does. `detail` names fields: no secret, no content."""
    return AuditEvent(
        action=call.rpc,
        resource=resource,
        project_id=project_id,
        detail=detail,
        key_id=call.caller.key_id,
        role=call.caller.role,
    )


def managed_project(caller: Caller, named: str) -> str:
    """The project to manage: the named one, or the caller's own; empty for root that names none.

    Raises `NotFound` (RESOURCE_NOT_FOUND) if somebody else than root names another, there or not.
    """
    if caller.role is KeyRole.ROOT or named in ("", caller.project_id):
        return named or caller.project_id
    raise NotFound("there is no such project", reason=Reason.RESOURCE_NOT_FOUND)


def reach(caller: Caller) -> str | None:
    """The one project whose things the caller manages by id; None for root: all."""
    return None if caller.role is KeyRole.ROOT else caller.project_id
