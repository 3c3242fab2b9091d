"""What an add decided.

Made from mnemon/v1/change.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mnemon._record import Record, Word
from mnemon._types.memory import Memory


class ChangeEvent(Word):
    """What was decided about one fact."""

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent by the server."""

    ADD = "ADD"
    """New: stored."""

    UPDATE = "UPDATE"
    """Says the same as a known memory, better: that memory's text was replaced."""

    SUPERSEDE = "SUPERSEDE"
    """The world changed: stored, and the memory that held before points to it."""

    DELETE = "DELETE"
    """The speaker took it back: the known memory was deleted."""

    NONE = "NONE"
    """Already known: nothing stored; `memory` is the known one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Record):
    """One decision of an add, and the memory after it."""

    event: ChangeEvent = ChangeEvent.UNSPECIFIED
    """What was decided."""

    memory: Memory = field(default_factory=lambda: Memory())
    """The memory after the change. In a dry run it has no id if it would be new."""

    previous_text: str = ""
    """The text before, for UPDATE and DELETE."""

    superseded: Memory | None = None
    """The memory that no longer holds, for SUPERSEDE."""

    reason: str = ""
    """Why, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Record):
    """A fact that was found and not stored."""

    reason: str = ""
    """Why, as a stable word: MALFORMED, NO_MEANING, NO_EVIDENCE (the quote is in no message),
    NOT_A_NEW_MESSAGE, RECALLED, TARGET_NOT_OFFERED, TARGET_OUT_OF_SCOPE, TARGET_UNRELATED,
    TARGET_TAKEN, EVENT_TIME_UNREADABLE, CATEGORY_UNKNOWN, CUT_OFF.
    """

    detail: str = ""
    """In words. Holds no more of the conversation than the fact itself."""

    message_id: str = ""
    """The message that it came from, if known."""
