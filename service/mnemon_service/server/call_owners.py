"""Whose memories a call is about, for the accounts."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from mnemon.v1 import scope_pb2
from mnemon_service.model.caller import Caller
from mnemon_service.model.scope import Scope
from mnemon_service.wire.scopes import from_scope

_FIELD: Final = "scope"
"""What it is called in every request; the subject of an erasure is another field, and not counted for:
its account ends."""
_DEPTH: Final = 2
"""Of the messages that hold it: `search.scope`, `options.scope`, `add.scope`."""


def owner_of(request: Message, caller: Caller) -> str:
    """The owner (`Scope.owner`) of the scope that a request names within what its caller is bound to; empty
    if there is neither, as for a memory that is named by its id."""
    found = _named_scope(request, _DEPTH)
    scope = Scope() if found is None else from_scope(found)
    narrowed = scope.narrowed_by(caller.bound_scope)
    return (caller.bound_scope if narrowed is None else narrowed).owner


def _named_scope(message: Message, depth: int) -> scope_pb2.Scope | None:
    for field, value in message.ListFields():
        if field.message_type is None or field.is_repeated:
            continue
        if isinstance(value, scope_pb2.Scope):
            if field.name == _FIELD:
                return value
            continue
        if depth > 1 and (found := _named_scope(value, depth - 1)) is not None:
            return found
    return None
