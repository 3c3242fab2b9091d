"""Who and what the memories are about: users, agents, apps, runs, and named things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mnemon_service.model.memory import Entity
from mnemon_service.record.selection import Access


@dataclass(frozen=True, slots=True)
class ScopeEntity:
    """A user, agent, app or run that has memories, counted as they are written."""

    kind: str
    """`user_id`, `agent_id`, `app_id` or `run_id`."""
    value: str
    memories: int
    """Active and superseded ones."""
    first_activity: datetime
    last_activity: datetime


@dataclass(frozen=True, slots=True)
class NamedEntity:
    """A thing that memories name."""

    name: str
    type: str
    memories: int
    last_activity: datetime


class Entities:
    """Lists of entities, by index and not by scan."""

    async def list_scope(
        self, access: Access, kind: str, *, page_size: int = 50, page_token: str = ""
    ) -> tuple[list[ScopeEntity], str]:
        """Users, agents, apps or runs, latest activity first, and the next page's token."""
        raise NotImplementedError

    async def get_scope(self, access: Access, kind: str, value: str) -> ScopeEntity:
        """One of them. Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        raise NotImplementedError

    async def list_named(
        self, access: Access, *, page_size: int = 50, page_token: str = ""
    ) -> tuple[list[NamedEntity], str]:
        """Named entities of the project, latest activity first."""
        raise NotImplementedError

    async def memory_ids(self, access: Access, name: str, *, limit: int = 1000) -> list[str]:
        """Ids of the active memories that name it, in any case, newest first."""
        raise NotImplementedError

    async def known_to(self, access: Access, owner: str) -> Sequence[Entity]:
        """The entities that an owner's active memories name."""
        raise NotImplementedError
