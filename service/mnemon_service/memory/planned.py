"""What an add is about to do: the same form whoever planned it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Entity, EventTime, Memory, MemoryType, Source
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.model.usage import ProviderUsage


class ChangeEvent(enum.StrEnum):
    """What is decided about one fact."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    SUPERSEDE = "SUPERSEDE"
    DELETE = "DELETE"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class AddRequest:
    """What a caller wants remembered."""

    scope: Scope
    messages: tuple[Message, ...]
    """With ids and times; plain texts that are to be inferred from are messages without a name."""
    texts: tuple[str, ...] = ()
    """Plain texts to store as they are."""
    infer: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    type: MemoryType | None = None
    """None leaves it to the extractor."""
    expire_time: datetime | None = None
    event_time: EventTime | None = None
    custom_instructions: str = ""
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PlannedFact:
    """One statement and what is to become of it."""

    text: str
    event: ChangeEvent = ChangeEvent.ADD
    target: Memory | None = None
    """The known memory that an UPDATE, SUPERSEDE, DELETE or NONE is about."""
    reason: str = ""
    sources: tuple[Source, ...] = ()
    type: MemoryType = MemoryType.SEMANTIC
    categories: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()
    attributed_to: str = ""
    event_time: EventTime | None = None
    confidence: float = 1.0
    echoed: tuple[str, ...] = ()
    """If the scope holds each of these word for word, the fact is text that was recalled from it."""

    @property
    def embedded_texts(self) -> list[str]:
        """What is embedded for it; the first one's vector is its own."""
        return embedded_texts(self.text, self.attributed_to)


@dataclass(frozen=True, slots=True)
class RefusedFact:
    """A fact that was found and is not stored."""

    reason: str
    """A stable word."""
    detail: str
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class AddPlan:
    """Everything that one add is about to do, in the order of the conversation."""

    facts: tuple[PlannedFact, ...]
    extractor: str
    """For `Memory.extractor`."""
    refusals: tuple[RefusedFact, ...] = ()
    usage: tuple[ProviderUsage, ...] = ()
    image_descriptions: Mapping[str, str] = field(default_factory=dict)
    """What a model saw in the pictures of a message, by message id: logged with the message, so that
    evidence from a picture can be read."""


@dataclass(frozen=True, slots=True)
class Change:
    """One decision that was carried out, or would be."""

    event: ChangeEvent
    memory: Memory
    reason: str = ""
    previous_text: str = ""
    superseded: Memory | None = None


@dataclass(frozen=True, slots=True)
class AddOutcome:
    """What an add came to."""

    changes: tuple[Change, ...]
    message_ids: tuple[str, ...]
    refusals: tuple[RefusedFact, ...]
    usage: tuple[ProviderUsage, ...]
    sequence: int
