"""Enum values of the contract and of the domain: one table for each pair, both ways."""

from __future__ import annotations

import enum
from typing import Any, Final, Generic, TypeVar

from mnemon.v1 import filter_pb2, memory_pb2, project_pb2
from mnemon_service.model.caller import KeyRole
from mnemon_service.model.filter import Op
from mnemon_service.model.memory import MemoryState, MemoryType, Precision, Role, VersionEvent

Domain = TypeVar("Domain", bound=enum.Enum)


class EnumPair(Generic[Domain]):
    """A domain enum and a contract enum whose names are equal but for the contract's prefix."""

    def __init__(self, domain: type[Domain], contract: Any, prefix: str) -> None:  # noqa: ANN401 (an enum wrapper)
        self._to_wire = {member: int(contract.Value(prefix + member.name)) for member in domain}
        self._from_wire = {number: member for member, number in self._to_wire.items()}

    def to_wire(self, member: Domain) -> Any:  # noqa: ANN401 (each contract enum is a type of its own)
        """The contract's number."""
        return self._to_wire[member]

    def from_wire(self, number: int, default: Domain) -> Domain:
        """The domain's member; `default` for UNSPECIFIED."""
        return self._from_wire.get(number, default)


MEMORY_TYPES: Final = EnumPair(MemoryType, memory_pb2.MemoryType, "MEMORY_TYPE_")
MEMORY_STATES: Final = EnumPair(MemoryState, memory_pb2.MemoryState, "MEMORY_STATE_")
VERSION_EVENTS: Final = EnumPair(VersionEvent, memory_pb2.VersionEvent, "VERSION_EVENT_")
PRECISIONS: Final = EnumPair(Precision, memory_pb2.EventTimePrecision, "EVENT_TIME_PRECISION_")
ROLES: Final = EnumPair(Role, memory_pb2.Role, "ROLE_")
OPERATORS: Final = EnumPair(Op, filter_pb2.Operator, "OPERATOR_")
KEY_ROLES: Final = EnumPair(KeyRole, project_pb2.KeyRole, "KEY_ROLE_")
