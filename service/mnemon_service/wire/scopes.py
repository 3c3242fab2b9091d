"""Scopes of requests, and which of them a caller may use."""

from __future__ import annotations

from mnemon.v1 import memory_pb2, scope_pb2
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import InvalidArgument, PermissionDenied, Reason
from mnemon_service.model.scope import Scope
from mnemon_service.record.projects import SERVER_PROJECT
from mnemon_service.record.selection import Access, AsOf
from mnemon_service.wire.times import from_timestamp

SCOPE_NEEDED = "name at least one of user_id, agent_id, app_id, run_id"


def from_scope(scope: scope_pb2.Scope) -> Scope:
    """The domain's scope."""
    return Scope(scope.user_id, scope.agent_id, scope.app_id, scope.run_id)


def to_scope(scope: Scope, target: scope_pb2.Scope) -> None:
    """Writes a scope into a message's field."""
    target.user_id = scope.user_id
    target.agent_id = scope.agent_id
    target.app_id = scope.app_id
    target.run_id = scope.run_id


def access_of(caller: Caller) -> Access:
    """What the record lets this caller reach.

    Raises `PermissionDenied` (ROLE_REQUIRED) for a root key: it rules the server and holds no memories.
    """
    if not caller.project_id:
        raise PermissionDenied(
            "a root key belongs to no project; use a key of the project", reason=Reason.ROLE_REQUIRED
        )
    return Access(caller.project_id, caller.bound_scope)


def operations_access(caller: Caller) -> Access:
    """Which operations this caller sees: those of the project; for root, those of the server."""
    return Access(caller.project_id or SERVER_PROJECT, caller.bound_scope)


def write_scope(scope: scope_pb2.Scope, caller: Caller, field: str = "scope") -> Scope:
    """The scope that a write stores: what the request names with what the key is bound to.

    Raises `InvalidArgument` (SCOPE_REQUIRED) if neither names an id, `PermissionDenied`
    (SCOPE_FORBIDDEN) if the two exclude each other.
    """
    narrowed = _narrowed(from_scope(scope), caller)
    if narrowed.is_empty:
        raise InvalidArgument.of(field, SCOPE_NEEDED, Reason.SCOPE_REQUIRED)
    return narrowed


def read_scope(scope: scope_pb2.Scope, caller: Caller, *, project_wide: bool = False) -> Scope:
    """The scope that a read selects; empty for a read of the whole project.

    Raises `InvalidArgument` (SCOPE_REQUIRED) if it names no id and is not project-wide,
    `PermissionDenied` (ROLE_REQUIRED) if it is project-wide and the caller is no admin, and
    (SCOPE_FORBIDDEN) if the key is bound to another scope.
    """
    asked = from_scope(scope)
    if project_wide:
        if not asked.is_empty:
            raise InvalidArgument.of("project_wide", "must be false if a scope is named")
        if caller.role < KeyRole.ADMIN:
            raise PermissionDenied(
                f"project_wide needs role ADMIN; this key is {caller.role.name}",
                metadata={"required_role": "ADMIN"},
            )
    narrowed = _narrowed(asked, caller)
    if narrowed.is_empty and not project_wide:
        raise InvalidArgument.of("scope", f"{SCOPE_NEEDED}, or set project_wide", Reason.SCOPE_REQUIRED)
    return narrowed


def _narrowed(asked: Scope, caller: Caller) -> Scope:
    narrowed = asked.narrowed_by(caller.bound_scope)
    if narrowed is None:
        raise PermissionDenied("the key is bound to another scope", reason=Reason.SCOPE_FORBIDDEN)
    return narrowed


def from_as_of(as_of: memory_pb2.AsOf) -> AsOf:
    """The moment to read at."""
    if as_of.WhichOneof("position") == "sequence":
        return AsOf(sequence=as_of.sequence)
    return AsOf(time=from_timestamp(as_of.time, "as_of.time"))
