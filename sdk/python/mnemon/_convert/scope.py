"""Between the stubs of scope.proto and its types.

Made from mnemon/v1/scope.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemon import _values as values
from mnemon._types.scope import Scope
from mnemon.v1 import scope_pb2


def read_scope(message: scope_pb2.Scope) -> Scope:
    """The `Scope` that the message holds."""
    return Scope(
        user_id=message.user_id, agent_id=message.agent_id, app_id=message.app_id, run_id=message.run_id
    )


def write_scope(value: Scope | Mapping[str, Any]) -> scope_pb2.Scope:
    """The message of a `Scope`, or of a mapping with its fields."""
    record = values.as_record(Scope, value)
    return scope_pb2.Scope(
        user_id=record.user_id, agent_id=record.agent_id, app_id=record.app_id, run_id=record.run_id
    )
