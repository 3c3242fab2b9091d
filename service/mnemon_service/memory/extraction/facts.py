"""What an extraction gives: facts with their evidence, and everything it left out with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from mnemon_service.model.memory import Entity, EventTime, MemoryType, Role


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place in a message: `quote` is an exact span of that message's content."""

    message_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class ExtractedFact:
    """One statement that stands alone, with the words it came from."""

    text: str
    """The statement as it is to be remembered: the speaker named, relative dates resolved."""
    original: str
    """The speaker's own words, with white space made single; what `text` was before rewriting."""
    message_id: str
    quote: str
    """The exact span of the message's content."""
    role: Role
    attributed_to: str
    """The speaker's name, or "user" or "assistant" if the message names nobody."""
    entities: tuple[Entity, ...]
    event_time: EventTime | None
    """The first time the statement names, resolved; None if it names none."""
    type: MemoryType
    categories: tuple[str, ...]
    confidence: float
    """0..1; comparable within one extractor only."""
    asked: Evidence | None = None
    """The question that the statement answers, if `text` quotes it after the statement."""
    repeats: tuple[Evidence, ...] = ()
    """Later places in the same batch that say the same in the same words."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Words that became no fact, and why."""

    message_id: str
    quote: str
    why: str
    """A short stable phrase: `question`, `greeting`, `thanks` …"""


@dataclass(frozen=True, slots=True)
class Extraction:
    """All decisions about a batch of messages, in the order of the conversation."""

    facts: tuple[ExtractedFact, ...]
    dropped: tuple[Dropped, ...]
