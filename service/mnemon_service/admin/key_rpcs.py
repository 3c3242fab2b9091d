"""Keys: making, listing, ending and replacing them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from mnemon.v1 import admin_service_pb2 as pb
from mnemon_service.admin.author import audit_event, managed_project, reach
from mnemon_service.model.api_key import ApiKey
from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import InvalidArgument, PermissionDenied
from mnemon_service.record.keys import Keys
from mnemon_service.record.selection import DEFAULT_PAGE_SIZE
from mnemon_service.wire.enums import KEY_ROLES
from mnemon_service.wire.keys import to_api_key
from mnemon_service.wire.limits import from_limits
from mnemon_service.wire.scopes import from_scope
from mnemon_service.wire.times import from_duration, from_timestamp

OVERLAP: Final = timedelta(hours=24)
"""How long a replaced key still works if the caller does not say."""


class KeyRpcs:
    """CreateApiKey, ListApiKeys, RevokeApiKey, RotateApiKey."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, call: Call) -> pb.CreateApiKeyResponse:
        """See the contract."""
        key = _wanted(request, call.caller)
        detail = f"role {key.role.name}"
        if not key.bound_scope.is_empty:
            detail += f", bound by {', '.join(key.bound_scope.named())}"
        issued = await self._keys.create(key, audit_event(call, "", key.project_id, detail))
        return pb.CreateApiKeyResponse(api_key=to_api_key(issued.key), secret=issued.secret)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, call: Call) -> pb.ListApiKeysResponse:
        """See the contract."""
        found, token = await self._keys.list(
            managed_project(call.caller, request.project_id),
            show_ended=request.show_ended,
            page_size=request.page_size or DEFAULT_PAGE_SIZE,
            page_token=request.page_token,
        )
        return pb.ListApiKeysResponse(api_keys=[to_api_key(key) for key in found], next_page_token=token)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, call: Call) -> pb.RevokeApiKeyResponse:
        """See the contract."""
        key = await self._keys.revoke(request.key_id, reach(call.caller), audit_event(call, "", ""))
        return pb.RevokeApiKeyResponse(api_key=to_api_key(key))

    async def RotateApiKey(self, request: pb.RotateApiKeyRequest, call: Call) -> pb.RotateApiKeyResponse:
        """See the contract."""
        overlap = from_duration(request.overlap, "overlap") if request.HasField("overlap") else OVERLAP
        issued, previous = await self._keys.rotate(
            request.key_id, reach(call.caller), overlap, audit_event(call, "", "")
        )
        return pb.RotateApiKeyResponse(
            api_key=to_api_key(issued.key), secret=issued.secret, previous=to_api_key(previous)
        )


def _wanted(request: pb.CreateApiKeyRequest, caller: Caller) -> ApiKey:
    """The key to make. Raises `InvalidArgument` for what cannot be, `PermissionDenied` for a role above
    the caller's."""
    role = KEY_ROLES.from_wire(request.role, KeyRole.READER)
    if role > caller.role:
        raise PermissionDenied(
            f"a key of role {caller.role.name} makes none of role {role.name}",
            metadata={"required_role": role.name},
        )
    bound = from_scope(request.bound_scope)
    if role >= KeyRole.ADMIN and not bound.is_empty:
        raise InvalidArgument.of("bound_scope", "must be empty for a key of role ADMIN or ROOT")
    expire_time = None
    if request.HasField("expire_time"):
        expire_time = from_timestamp(request.expire_time, "expire_time")
        if expire_time <= datetime.now(UTC):
            raise InvalidArgument.of("expire_time", "must lie in the future")
    return ApiKey(
        id="",
        project_id=_project(request.project_id, role, caller),
        role=role,
        display_name=request.display_name,
        bound_scope=bound,
        limits=from_limits(request.limits),
        expire_time=expire_time,
    )


def _project(named: str, role: KeyRole, caller: Caller) -> str:
    if role is KeyRole.ROOT:
        if named:
            raise InvalidArgument.of("project_id", "must be empty for a key of role ROOT")
        return ""
    project_id = managed_project(caller, named)
    if not project_id:
        raise InvalidArgument.of("project_id", "name the project that the key opens: root has none")
    return project_id
