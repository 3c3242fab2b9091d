"""Whom and what memories are about.

Made from mnemon/v1/entity.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mnemon._record import Record, Word


class EntityKind(Word):
    """What an entity is."""

    UNSPECIFIED = "UNSPECIFIED"
    """All kinds of scope ids: USER, AGENT, APP and RUN."""

    USER = "USER"
    """A user id."""

    AGENT = "AGENT"
    """An agent id."""

    APP = "APP"
    """An app id."""

    RUN = "RUN"
    """A run id."""

    NAMED = "NAMED"
    """A name that memories speak of: a person, place, product …."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySummary(Record):
    """A user, agent, app or run with memories, or a named thing in them."""

    kind: EntityKind = EntityKind.UNSPECIFIED
    """What it is."""

    id: str = ""
    """The scope id, or the name as first written."""

    type: str = ""
    """For NAMED: PERSON, PLACE …; empty if unknown."""

    memory_count: int = 0
    """Active memories of it."""

    create_time: datetime | None = None
    """When its first memory was stored."""

    last_activity_time: datetime | None = None
    """When a memory of it last changed."""
