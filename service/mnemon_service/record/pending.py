"""What a write has gathered and not yet written."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnemon_service.model.memory import Memory, Version
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.operation import Operation
from mnemon_service.record.selection import Vector


@dataclass(slots=True)
class ClaimUpdate:
    """How far an operation came with this write."""

    token: str
    project_id: str
    operation_id: str
    values: dict[str, object]


@dataclass(slots=True)
class Pending:
    """The changes of one transaction, in the order they were made."""

    versions: list[Version] = field(default_factory=list)
    before: dict[str, Memory | None] = field(default_factory=dict)
    """Each changed memory as it was when the write began; None for a new one."""
    after: dict[str, Memory | None] = field(default_factory=dict)
    """Each changed memory as the write leaves it; None for an erased one."""
    embeddings: dict[tuple[str, str], Vector] = field(default_factory=dict)
    """By space and text hash."""
    messages: list[Message] = field(default_factory=list)
    positions: dict[Scope, int] = field(default_factory=dict)
    """The last position taken, by the conversation's scope."""
    operations: list[Operation] = field(default_factory=list)
    claims: list[ClaimUpdate] = field(default_factory=list)
    answer: bytes | None = None
    answer_shows_memories: bool = True
    owners: set[str] = field(default_factory=set)
    """Whose memories the write has read or changed: its answer may show them."""

    @property
    def erased(self) -> list[str]:
        """Ids whose content goes."""
        return [memory_id for memory_id, memory in self.after.items() if memory is None]
