"""Keys as the contract shows them."""

from __future__ import annotations

from mnemon.v1 import project_pb2
from mnemon_service.model.api_key import ApiKey
from mnemon_service.wire.enums import KEY_ROLES
from mnemon_service.wire.scopes import to_scope
from mnemon_service.wire.times import set_timestamp


def to_api_key(key: ApiKey) -> project_pb2.ApiKey:
    """The contract's message of a key, without its secret."""
    message = project_pb2.ApiKey(
        id=key.id,
        project_id=key.project_id,
        display_name=key.display_name,
        role=KEY_ROLES.to_wire(key.role),
    )
    if not key.bound_scope.is_empty:
        to_scope(key.bound_scope, message.bound_scope)
    for field in ("create_time", "expire_time", "revoke_time", "last_use_time"):
        instant = getattr(key, field)
        if instant is not None:
            set_timestamp(getattr(message, field), instant)
    return message
