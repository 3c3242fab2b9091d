"""A piece of work in the background, as users list it and workers claim it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from mnemon_service.model.scope import Scope


class OperationState(enum.StrEnum):
    """Where the work stands. The last three are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """True if nothing will change any more."""
        return self not in (OperationState.PENDING, OperationState.RUNNING)


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the queue. `payload`, `checkpoint` and `result` are its worker's own bytes."""

    id: str
    project_id: str
    type: str
    """What is to be done, as `AddMemories`, `DeleteMemories`, `RebuildIndex`: selects the worker."""
    state: OperationState
    scope: Scope
    """Whose work it is: a key bound to another scope does not see it."""
    actor_key: str
    payload: bytes
    create_time: datetime
    update_time: datetime
    checkpoint: bytes = b""
    """How far it came, saved in the same transaction as the effect: a later attempt goes on from it."""
    result: bytes = b""
    progress_done: int = 0
    progress_total: int = 0
    """0 if it is not known."""
    error_reason: str = ""
    error_message: str = ""
    """Of the last attempt; safe to show."""
    attempts: int = 0
    cancel_requested: bool = False
    start_time: datetime | None = None
    end_time: datetime | None = None
    available_time: datetime | None = None
    """A pending one is not claimed before this time (backoff between attempts)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one worker to one attempt. It ends when the lease runs out unheard."""

    operation: Operation
    token: str
    """Changes with each claim: what an earlier holder writes is refused."""
