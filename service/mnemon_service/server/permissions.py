"""Which role each RPC asks for. A test holds this table against the contract: every RPC is in it."""

from __future__ import annotations

from typing import Final

from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import PermissionDenied

_READ: Final = (
    "MemoryService/ExportMemories",
    "MemoryService/GetMemory",
    "MemoryService/BatchGetMemories",
    "MemoryService/ListMemories",
    "MemoryService/ListVersions",
    "MemoryService/WatchMemories",
    "SearchService/Search",
    "SearchService/StreamSearch",
    "SearchService/LiveSearch",
    "SearchService/BuildContext",
    "AdminService/GetProject",
    "AdminService/GetSettings",
    "AdminService/ListEntities",
    "AdminService/GetEntity",
    "AdminService/GetServerInfo",
)
_WRITE: Final = (
    "MemoryService/AddMemories",
    "MemoryService/EnqueueMemories",
    "MemoryService/ImportMemories",
    "MemoryService/UpdateMemory",
    "MemoryService/DeleteMemory",
    "MemoryService/RestoreMemory",
    "MemoryService/BatchUpdateMemories",
    "MemoryService/BatchDeleteMemories",
    "MemoryService/DeleteMemories",
    "MemoryService/RevertMemory",
    "MemoryService/SubmitFeedback",
    "AdminService/ListOperations",
    "AdminService/GetOperation",
    "AdminService/CancelOperation",
    "AdminService/WaitOperation",
)
_ADMINISTER: Final = (
    "AdminService/CreateApiKey",
    "AdminService/ListApiKeys",
    "AdminService/RevokeApiKey",
    "AdminService/RotateApiKey",
    "AdminService/UpdateSettings",
    "AdminService/GenerateInstructions",
    "AdminService/DeleteEntity",
    "AdminService/CreateWebhook",
    "AdminService/GetWebhook",
    "AdminService/ListWebhooks",
    "AdminService/UpdateWebhook",
    "AdminService/DeleteWebhook",
    "AdminService/TestWebhook",
    "AdminService/ListWebhookDeliveries",
    "AdminService/GetUsage",
    "AdminService/ListRequests",
    "AdminService/ListAudit",
    "AdminService/VerifyIndex",
    "AdminService/EraseSubject",
)
_RULE: Final = (
    "AdminService/CreateProject",
    "AdminService/ListProjects",
    "AdminService/UpdateProject",
    "AdminService/DeleteProject",
    "AdminService/VerifyAudit",
    "AdminService/RebuildIndex",
    "AdminService/SelfTestIsolation",
)

REQUIRED_ROLE: Final[dict[str, KeyRole]] = {
    **dict.fromkeys(_READ, KeyRole.READER),
    **dict.fromkeys(_WRITE, KeyRole.WRITER),
    **dict.fromkeys(_ADMINISTER, KeyRole.ADMIN),
    **dict.fromkeys(_RULE, KeyRole.ROOT),
}


def require_role(caller: Caller, method: str) -> None:
    """Raises `PermissionDenied` (ROLE_REQUIRED) if the caller's role may not call the RPC."""
    required = REQUIRED_ROLE[method]
    if caller.role < required:
        raise PermissionDenied(
            f"{method} needs role {required.name}; this key is {caller.role.name}",
            metadata={"required_role": required.name},
        )
