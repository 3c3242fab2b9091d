"""What is remembered: memories, their provenance, and the versions that the log keeps of them.

Made from mnemon/v1/memory.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mnemon._record import Record, Word
from mnemon._types.scope import Scope


class MemoryType(Word):
    """What kind of knowledge a memory is."""

    UNSPECIFIED = "UNSPECIFIED"
    """Not said: a write takes MEMORY_TYPE_SEMANTIC, or what the extractor finds."""

    SEMANTIC = "SEMANTIC"
    """Something that holds: a fact, a preference, a relation."""

    EPISODIC = "EPISODIC"
    """Something that happened, at a time."""

    PROCEDURAL = "PROCEDURAL"
    """How something is done: the steps an agent took, a procedure."""


class MemoryState(Word):
    """Where a memory stands in its life. Reads return ACTIVE ones unless asked for more."""

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent by the server."""

    ACTIVE = "ACTIVE"
    """Current."""

    SUPERSEDED = "SUPERSEDED"
    """The world changed: `superseded_by` names the memory that holds now."""

    DELETED = "DELETED"
    """Deleted; RestoreMemory brings it back within the project's retention time."""

    EXPIRED = "EXPIRED"
    """Its `expire_time` has come."""


class EventTimePrecision(Word):
    """The unit of the calendar that an event time names."""

    UNSPECIFIED = "UNSPECIFIED"
    """Not said: taken as INSTANT."""

    INSTANT = "INSTANT"
    """To the second or better."""

    DAY = "DAY"
    """A calendar day."""

    WEEK = "WEEK"
    """A calendar week, from Monday."""

    MONTH = "MONTH"
    """A calendar month."""

    SEASON = "SEASON"
    """A season of a year."""

    YEAR = "YEAR"
    """A calendar year."""


class Role(Word):
    """Who speaks in a message."""

    UNSPECIFIED = "UNSPECIFIED"
    """Not said: taken as USER."""

    USER = "USER"
    """The person."""

    ASSISTANT = "ASSISTANT"
    """The agent. What it says is remembered as said by it."""

    SYSTEM = "SYSTEM"
    """Instructions to the agent. Context only: nothing is extracted from it."""

    TOOL = "TOOL"
    """A tool's output."""


class VersionEvent(Word):
    """What a row of the log records."""

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent by the server."""

    ADDED = "ADDED"
    """The memory came to be."""

    UPDATED = "UPDATED"
    """Its text or attributes changed."""

    SUPERSEDED = "SUPERSEDED"
    """Another memory replaced it."""

    DELETED = "DELETED"
    """It was deleted and can be restored."""

    RESTORED = "RESTORED"
    """It came back, or was set back to an earlier version."""

    EXPIRED = "EXPIRED"
    """Its `expire_time` came."""

    ERASED = "ERASED"
    """Its content was erased for good; the row stays as a tombstone without text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTime(Record):
    """When something happened or began to hold in the world (not when Mnemon learned it)."""

    time: datetime | None = None
    """The first instant of the named unit, in UTC: "May 2023" is 2023-05-01T00:00:00Z with MONTH."""

    precision: EventTimePrecision = EventTimePrecision.UNSPECIFIED
    """How exact `time` is."""

    end_time: datetime | None = None
    """The first instant at which it no longer held; absent while it holds. Set on superseded facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Record):
    """The evidence of a memory: a message and the words in it."""

    message_id: str = ""
    """Id of the message in the conversation log."""

    role: Role = Role.UNSPECIFIED
    """Who said it."""

    name: str = ""
    """The speaker's name, if the caller gave one."""

    quote: str = ""
    """The exact words of the message that the memory rests on; empty if the whole message."""

    observed_time: datetime | None = None
    """When it was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Record):
    """A named thing that a memory speaks of."""

    name: str = ""
    """The name as written, 1 to 256 bytes."""

    type: str = ""
    """PERSON, PLACE, ORGANIZATION, PRODUCT, EVENT or another word in capitals; empty if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory(Record):
    """One remembered statement."""

    id: str = ""
    """UUIDv7 given by the server; sorts by creation. Output only, but names the memory in UpdateMemory."""

    text: str = ""
    """The statement itself, 1 to 32,768 bytes of UTF-8."""

    scope: Scope = field(default_factory=lambda: Scope())
    """Whose memory it is."""

    type: MemoryType = MemoryType.UNSPECIFIED
    """What kind of knowledge it is."""

    categories: tuple[str, ...] = ()
    """Up to 32 category names of at most 64 bytes."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The caller's own JSON values, at most 64 KiB as JSON and 16 levels deep. Filters reach into it."""

    attributed_to: str = ""
    """The speaker whose statement it is, at most 256 bytes; empty if unknown."""

    event_time: EventTime | None = None
    """When it happened or began to hold; absent if unknown."""

    expire_time: datetime | None = None
    """From this instant on no read returns the memory; absent: never."""

    state: MemoryState = MemoryState.UNSPECIFIED
    """Where it stands in its life. Output only."""

    version: int = 0
    """Counts 1, 2, 3 … without gaps over the memory's life. Output only."""

    etag: str = ""
    """Changes with each version. Send it back with an update or delete to be told (ABORTED,
    ETAG_MISMATCH) if somebody else was faster; leave it empty not to check.
    """

    create_time: datetime | None = None
    """When the memory was first stored. Output only."""

    update_time: datetime | None = None
    """When it last changed. Output only."""

    superseded_by: str = ""
    """Id of the memory that replaced this one; empty if none. Output only."""

    sources: tuple[Source, ...] = ()
    """The evidence it rests on; empty for imported and plain texts. Output only."""

    entities: tuple[Entity, ...] = ()
    """Named things it speaks of."""

    run_position: int = 0
    """Place in its run's conversation: 1, 2, 3 …; 0 if it came from none. Output only."""

    confidence: float = 0.0
    """How sure the extractor was, 0 to 1; 1 for what was stored as given. Output only."""

    extractor: str = ""
    """What made it: "verbatim", "deterministic/2", or a prompt's name and version. Output only."""

    sequence: int = 0
    """Place of the memory's last change in the project's log. Output only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor(Record):
    """Who made a change."""

    key_id: str = ""
    """The API key's id (never the key); empty for the service itself."""

    operation: str = ""
    """The RPC, as "UpdateMemory", or the background operation, as "operations/<id>"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Record):
    """One row of the project's append-only log: a change and the memory after it."""

    sequence: int = 0
    """Place in the project's one order of changes: 1, 2, 3 … without gaps."""

    memory_id: str = ""
    """The memory that changed."""

    version: int = 0
    """Number of the version in the memory's life: 1, 2, 3 … without gaps."""

    event: VersionEvent = VersionEvent.UNSPECIFIED
    """What happened."""

    memory: Memory = field(default_factory=lambda: Memory())
    """The memory after the change. Its text is empty once erased."""

    previous_text: str = ""
    """The text before the change; empty for ADDED and once erased."""

    actor: Actor = field(default_factory=lambda: Actor())
    """Who made it."""

    reason: str = ""
    """Why, in words: from the caller or from reconciliation."""

    record_time: datetime | None = None
    """When Mnemon learned it. `memory.event_time` is when it held in the world."""
