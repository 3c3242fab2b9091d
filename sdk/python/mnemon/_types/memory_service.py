"""Remembering: add, read, change, delete, follow.

Made from mnemon/v1/memory_service.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mnemon._behaviour import ChangeList
from mnemon._record import Record, Word
from mnemon._types.change import Change, Refusal
from mnemon._types.memory import Entity, EventTime, Memory, MemoryType, Version
from mnemon._types.operation import ImportMemoriesResult, Operation
from mnemon._types.scope import Scope
from mnemon._types.usage import Usage


class ListOrder(Word):
    """How a list is ordered."""

    UNSPECIFIED = "UNSPECIFIED"
    """CREATE_TIME_DESC."""

    CREATE_TIME_DESC = "CREATE_TIME_DESC"
    """Newest first."""

    CREATE_TIME_ASC = "CREATE_TIME_ASC"
    """Oldest first."""

    UPDATE_TIME_DESC = "UPDATE_TIME_DESC"
    """Last changed first."""

    UPDATE_TIME_ASC = "UPDATE_TIME_ASC"
    """Longest unchanged first."""


class FeedbackRating(Word):
    """How good a memory was."""

    UNSPECIFIED = "UNSPECIFIED"
    """Not allowed."""

    POSITIVE = "POSITIVE"
    """Useful."""

    NEGATIVE = "NEGATIVE"
    """Not useful here."""

    VERY_NEGATIVE = "VERY_NEGATIVE"
    """Wrong or harmful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMemoriesResponse(ChangeList):
    """What changed."""

    changes: tuple[Change, ...] = ()
    """What was decided about each fact, and the memory after it."""

    message_ids: tuple[str, ...] = ()
    """Ids of the stored messages, in the request's order; empty if the conversation log is off."""

    usage: Usage = field(default_factory=lambda: Usage())
    """What it cost. The answer to a repeated `request_id` is the one that was stored with the effect: the
    cost of the first call, without the times of the stages commit and apply, which had not ended.
    """

    refusals: tuple[Refusal, ...] = ()
    """Facts that were found and not stored, and why."""

    sequence: int = 0
    """Place in the project's log after this write; a read `as_of` it sees exactly this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow(Record):
    """One memory to import. The server checks each row by itself, by the rules of Memory: a wrong one is
    reported in the result and does not refuse its message.
    """

    row: int = 0
    """Your number for the row (a line number), for error reports; its place in the stream if 0."""

    text: str = ""
    """The statement; 1 to 32,768 bytes."""

    scope: Scope | None = None
    """Whose memory it is; the options' scope if left out."""

    type: MemoryType = MemoryType.UNSPECIFIED
    """What kind of knowledge."""

    categories: tuple[str, ...] = ()
    """Up to 32 category names."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Your own JSON values."""

    attributed_to: str = ""
    """The speaker."""

    event_time: EventTime | None = None
    """When it happened or began to hold."""

    expire_time: datetime | None = None
    """When it ceases to be returned."""

    create_time: datetime | None = None
    """When it was first known elsewhere, for moving in from another system; now if left out."""

    entities: tuple[Entity, ...] = ()
    """Named things it speaks of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMemoriesResponse(Record):
    """What the import came to."""

    result: ImportMemoriesResult = field(default_factory=lambda: ImportMemoriesResult())
    """The counts and refused rows."""

    operation_id: str = ""
    """The import as an operation, for the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportMemoriesResponse(Record):
    """Some of the exported memories."""

    memories: tuple[Memory, ...] = ()
    """Up to 500 memories, oldest first."""

    versions: tuple[Version, ...] = ()
    """Their versions, if asked for."""

    sequence: int = 0
    """The place in the log that the whole export shows."""

    resume_token: str = ""
    """Resumes after this message."""

    exported_count: int = 0
    """Memories sent so far, this message included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchGetMemoriesResponse(Record):
    """The memories found."""

    memories: tuple[Memory, ...] = ()
    """In the request's order, without those not found."""

    missing_ids: tuple[str, ...] = ()
    """Ids that were not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMemoriesResponse(Record):
    """What was, or would be, deleted."""

    matched_count: int = 0
    """Memories deleted; in a dry run, that would be; with an operation, that it will delete."""

    operation: Operation | None = None
    """Set if there are more than 10,000: the work goes on in the background."""
