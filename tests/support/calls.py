"""Calls as the boundary hands them to servicers."""

from __future__ import annotations

from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.scope import Scope


def call(
    method: str,
    project_id: str = "project-one",
    role: KeyRole = KeyRole.ADMIN,
    bound: Scope | None = None,
) -> Call:
    """A call of `method` (as `MemoryService/AddMemories`) by somebody of a project."""
    return Call(method, Caller(project_id, role, "key-1", bound or Scope()), "request-1")
