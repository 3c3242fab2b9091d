"""What understanding a conversation comes to: decisions, what was refused, and what it cost."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mnemon_service.model.memory import Entity, EventTime, MemoryType
from mnemon_service.model.usage import ProviderUsage


class Action(enum.StrEnum):
    """What a fact does to the memories."""

    ADD = "ADD"
    """Nothing says it yet."""
    UPDATE = "UPDATE"
    """A memory says the same, less well: its text becomes the fact's."""
    SUPERSEDE = "SUPERSEDE"
    """The world changed: the old memory keeps its interval and points to the new one."""
    DELETE = "DELETE"
    """The speaker took it back; the fact's text says what is no longer so and is not stored."""
    NONE = "NONE"
    """Known already."""


class RefusalCode(enum.StrEnum):
    """Why something the model said was not taken. Stable: counted in metrics."""

    MALFORMED = "MALFORMED"
    """An item that did not fit the schema. The item is lost."""
    NO_MEANING = "NO_MEANING"
    """Empty, or nothing but pronouns. The fact is lost."""
    NO_EVIDENCE = "NO_EVIDENCE"
    """The quote is in no message. The fact is lost."""
    NOT_A_NEW_MESSAGE = "NOT_A_NEW_MESSAGE"
    """The quote is in context, a system message or recalled text. The fact is lost."""
    RECALLED = "RECALLED"
    """The quote is a memory that the agent itself repeats. The fact is lost."""
    TARGET_NOT_OFFERED = "TARGET_NOT_OFFERED"
    """A number that names no memory. A new statement is added, a removal lost."""
    TARGET_OUT_OF_SCOPE = "TARGET_OUT_OF_SCOPE"
    """The memory belongs to another owner or is not active. As above."""
    TARGET_UNRELATED = "TARGET_UNRELATED"
    """The memory speaks of something else. As above."""
    TARGET_TAKEN = "TARGET_TAKEN"
    """Another fact of the plan changes that memory already. As above."""
    EVENT_TIME_UNREADABLE = "EVENT_TIME_UNREADABLE"
    """A time in no known form. The fact stays, without it."""
    CATEGORY_UNKNOWN = "CATEGORY_UNKNOWN"
    """A category outside the list. The fact stays, without it."""
    CUT_OFF = "CUT_OFF"
    """The answer ended too early in a message that cannot be split further. What was complete stays."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement with its evidence, checked against the conversation."""

    text: str
    type: MemoryType
    categories: tuple[str, ...]
    """Names from the conversation's list, as spelled there."""
    entities: tuple[Entity, ...]
    attributed_to: str
    """The speaker's name; empty if the message has none."""
    event_time: EventTime | None
    confidence: float
    """0 to 1."""
    message_id: str
    quote: str
    """The exact span of the message's content, or of the image's description if `from_image`."""
    from_image: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """One fact and what it does."""

    action: Action
    fact: Fact
    target_memory_id: str | None
    """The memory it is about: set for UPDATE, SUPERSEDE and DELETE, None for ADD; NONE has it unless
    the fact repeats another fact of the same conversation."""
    reason: str
    """The model's few words. They may repeat what users said."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something the model said that was not taken."""

    code: RefusalCode
    detail: str
    """Where, without any of the content: a message's id, a memory's number."""


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """What the model saw in the images of one message; the source of facts quoted from it."""

    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to do after reading a conversation, in the order in which it was said."""

    decisions: tuple[Decision, ...]
    refusals: tuple[Refusal, ...]
    usage: ProviderUsage
    extractor: str
    """For `Memory.extractor`, as `extract/1`."""
    repaired: bool
    """Whether an answer was broken and had to be mended, split or asked for again."""
    images: tuple[ImageDescription, ...] = ()
