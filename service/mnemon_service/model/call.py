"""One call of an RPC, in the domain's words: what a servicer needs to know besides the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mnemon_service.model.caller import Caller
from mnemon_service.model.stages import Stages

Message = TypeVar("Message")

Send = Callable[[Message], Awaitable[None]]
"""Sends one message of a stream; waits while the receiver is slow, raises CancelledError if it left."""


@dataclass(slots=True)
class Call:
    """What the boundary found out about a call before the servicer sees it."""

    method: str
    """The RPC, as `MemoryService/AddMemories`."""
    caller: Caller
    request_id: str
    """Names the call in the logs, the request log and the answer's metadata."""
    time_remaining: float | None = None
    """Seconds until the caller's deadline when the call came in; None if it set none."""
    owner: str = ""
    """Whose memories the request is about (`Scope.owner`); empty if it names nobody."""
    stages: Stages = field(default_factory=Stages)

    @property
    def rpc(self) -> str:
        """The RPC's name without its service."""
        return self.method.partition("/")[2]
