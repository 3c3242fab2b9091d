"""What is remembered: a memory, its provenance, and the versions that the log keeps of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mnemon_service.model.scope import Scope


class MemoryType(enum.StrEnum):
    """What kind of knowledge a memory is."""

    SEMANTIC = "SEMANTIC"
    EPISODIC = "EPISODIC"
    PROCEDURAL = "PROCEDURAL"


class MemoryState(enum.StrEnum):
    """Where a memory stands in its life. Only ACTIVE ones are returned unless asked otherwise."""

    ACTIVE = "ACTIVE"
    SUPERSEDED = "SUPERSEDED"
    DELETED = "DELETED"
    EXPIRED = "EXPIRED"


class VersionEvent(enum.StrEnum):
    """What a row of the log records."""

    ADDED = "ADDED"
    UPDATED = "UPDATED"
    SUPERSEDED = "SUPERSEDED"
    DELETED = "DELETED"
    RESTORED = "RESTORED"
    EXPIRED = "EXPIRED"
    ERASED = "ERASED"


class Precision(enum.StrEnum):
    """How exact an event time is: the unit of the calendar that the text named."""

    INSTANT = "INSTANT"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    SEASON = "SEASON"
    YEAR = "YEAR"


class Role(enum.StrEnum):
    """Who speaks in a message."""

    USER = "USER"
    ASSISTANT = "ASSISTANT"
    SYSTEM = "SYSTEM"
    TOOL = "TOOL"


@dataclass(frozen=True, slots=True)
class EventTime:
    """When something happened or began to hold in the world (not when it was learned).

    `time` is the first instant of the named unit, in UTC: "May 2023" is 2023-05-01T00:00Z, MONTH.
    `end_time`, if set, is the first instant at which it no longer holds (a superseded fact's end).
    """

    time: datetime
    precision: Precision = Precision.INSTANT
    end_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The evidence of a memory: a message and the words in it."""

    message_id: str
    role: Role
    quote: str = ""
    """The exact span of the message's content, or empty if the whole message is the evidence."""
    name: str = ""
    observed_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """A named thing that a memory speaks of."""

    name: str
    type: str = ""
    """PERSON, PLACE, ORGANIZATION, PRODUCT, EVENT, or empty if unknown."""


@dataclass(frozen=True, slots=True)
class Memory:
    """One remembered statement, as of one version."""

    id: str
    """UUIDv7 in its canonical text form."""
    project_id: str
    scope: Scope
    text: str
    type: MemoryType = MemoryType.SEMANTIC
    categories: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON values by key, as the caller gave them."""
    attributed_to: str = ""
    """The speaker whose statement it is; empty if unknown."""
    event_time: EventTime | None = None
    expire_time: datetime | None = None
    state: MemoryState = MemoryState.ACTIVE
    version: int = 1
    """Counts 1, 2, 3 … without gaps over the memory's life."""
    create_time: datetime | None = None
    update_time: datetime | None = None
    superseded_by: str = ""
    """Id of the memory that replaced this one, or empty."""
    sources: tuple[Source, ...] = ()
    entities: tuple[Entity, ...] = ()
    run_position: int = 0
    """Place of the memory in its run's conversation (1, 2, 3 …), 0 if it came from no conversation:
    what stands next to it was said next to it."""
    session: str = ""
    """Which sitting of the conversation it came from: memories of one Add call with messages share
    it unless `run_id` names it better. Neighbours and session mates strengthen each other in ranking."""
    confidence: float = 1.0
    """How sure the extractor was, 0..1; 1 for what was stored as given."""
    sequence: int = field(default=0, compare=False)
    """Place of the memory's last change in the project's log; 0 until it is stored."""
    extractor: str = ""
    """What made it: `verbatim`, `deterministic/<version>` or `<prompt name>/<version>`."""

    @property
    def etag(self) -> str:
        """Changes with each version; for optimistic concurrency (AIP-154)."""
        return f'"{self.version}"'


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a change."""

    key_id: str = ""
    """The API key's id; empty for the service itself (sweepers)."""
    operation: str = ""
    """The RPC or background operation that made it, as `AddMemories` or `operations/<id>`."""


@dataclass(frozen=True, slots=True)
class Version:
    """One row of the log: a change, the memory after it, and who made it, why and when."""

    sequence: int
    """Place in the project's one order of changes: 1, 2, 3 … without gaps."""
    event: VersionEvent
    memory: Memory
    previous_text: str = ""
    actor: Actor = Actor()
    reason: str = ""
    record_time: datetime | None = None
    """When Mnemon learned it (`memory.event_time` is when it held in the world)."""
