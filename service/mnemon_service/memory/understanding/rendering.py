"""Writes down for the model what there is to read.

Every line of what others said is indented or stands behind a prefix of ours, so no message can pose
as another message, as a memory or as a heading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from mnemon_service.memory.understanding.conversation import Conversation
from mnemon_service.memory.understanding.pieces import Piece, Segment, shortened
from mnemon_service.memory.understanding.token_estimate import estimate_tokens
from mnemon_service.model.memory import EventTime, Memory, Precision
from mnemon_service.model.message import Image, Message
from mnemon_service.providers.llm import Turn

CONTEXT_TOKENS = 1500
"""Of earlier messages shown as context, the latest ones."""
CONTEXT_MESSAGE_CHARACTERS = 600
"""Of one such message."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FORMATS = {
    Precision.YEAR: "%Y",
    Precision.SEASON: "%Y-%m",
    Precision.MONTH: "%Y-%m",
    Precision.WEEK: "week of %Y-%m-%d",
    Precision.DAY: "%Y-%m-%d",
    Precision.INSTANT: "%Y-%m-%dT%H:%MZ",
}


def render_conversation(
    conversation: Conversation, piece: Piece, memories: Sequence[Memory], *, sees_images: bool
) -> Turn:
    """One turn with everything that `extract` reads; `memories` are numbered from 1 in their order."""
    before = _before(conversation, piece)
    sections = [
        *_rules(conversation),
        ("Memories", _lines(_memory(number, memory) for number, memory in enumerate(memories, start=1))),
        ("Conversation so far (context)", _lines(_context(conversation, before))),
        (
            "New messages",
            _lines(_segment(conversation, segment, sees_images=sees_images) for segment in piece),
        ),
    ]
    return Turn(_material(sections), images=images_of(piece) if sees_images else ())


def render_messages(piece: Piece, instructions: str, notes: str, *, sees_images: bool) -> Turn:
    """One turn with the messages of a piece, the caller's instructions and what was noted before."""
    conversation = Conversation(())
    sections = [
        *([("Instructions", instructions)] if instructions else []),
        *([("Steps noted so far", _indented(notes, "    "))] if notes else []),
        ("Messages", _lines(_segment(conversation, segment, sees_images=sees_images) for segment in piece)),
    ]
    return Turn(_material(sections), images=images_of(piece) if sees_images else ())


def images_of(piece: Piece) -> tuple[Image, ...]:
    """The images of a piece, in the order in which its text announces them."""
    return tuple(image for segment in piece if segment.with_images for image in segment.message.images)


def _rules(conversation: Conversation) -> list[tuple[str, str]]:
    rules = [conversation.instructions.effective]
    if conversation.includes.strip():
        rules.append(f"Remember only: {conversation.includes.strip()}")
    if conversation.excludes.strip():
        rules.append(f"Never remember: {conversation.excludes.strip()}")
    given = "\n".join(rule for rule in rules if rule)
    categories = "\n".join(f"- {name}: {_one_line(text)}" for name, text in conversation.categories.items())
    return [
        *([("Instructions", given)] if given else []),
        ("Categories", categories or "(none)"),
    ]


def _material(sections: Iterable[tuple[str, str]]) -> str:
    body = "\n\n".join(f"# {title}\n{text}" for title, text in sections)
    return f"<material>\n{body}\n</material>"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) or "(none)"


def _memory(number: int, memory: Memory) -> str:
    known = f"; {_when(memory.event_time)}" if memory.event_time else ""
    return f"({number}) {_one_line(memory.text)} [{memory.type.value}{known}]"


def _when(event_time: EventTime) -> str:
    form = _FORMATS[event_time.precision]
    until = f" until {event_time.end_time.strftime('%Y-%m-%d')}" if event_time.end_time else ""
    return f"{event_time.time.strftime(form)}{until}"


def _before(conversation: Conversation, piece: Piece) -> tuple[Message, ...]:
    """The messages before the piece: the scope's last ones and the new ones that come earlier."""
    first = piece[0].message
    earlier = []
    for message in conversation.messages:
        if message is first:
            break
        earlier.append(message)
    return (*conversation.context, *earlier)


def _context(conversation: Conversation, messages: Sequence[Message]) -> list[str]:
    lines: list[str] = []
    left = CONTEXT_TOKENS
    for message in reversed(messages):
        text = shortened(message.content.strip(), CONTEXT_MESSAGE_CHARACTERS)
        line = f"- {_head(message, conversation.observed(message))}: {_indented(text, '      ')}"
        left -= estimate_tokens(line)
        if left < 0:
            break
        lines.append(line)
    return lines[::-1]


def _segment(conversation: Conversation, segment: Segment, *, sees_images: bool) -> str:
    message = segment.message
    head = _head(message, conversation.observed(message))
    shown = ""
    if message.images and segment.with_images:
        count = len(message.images)
        shown = f"(with {count} images) " if sees_images else f"(with {count} images that you cannot see) "
    start = f"[{segment.number}]" if segment.number is not None else "- (context)"
    return f"{start} {head}: {shown}{_indented(segment.text.strip(), '      ')}"


def _head(message: Message, time: datetime | None) -> str:
    role = message.role.value.lower()
    name = _one_line(message.name)
    who = f"{name} ({role})" if name else role
    recalled = ", recalled from memory" if message.recalled else ""
    return f"{who}{recalled}, {_moment(time)}" if time else f"{who}{recalled}"


def _moment(time: datetime) -> str:
    zone = time.strftime("%z") or "UTC"
    return (
        f"{_WEEKDAYS[time.weekday()]} {time.strftime('%Y-%m-%d %H:%M')} {'UTC' if zone == '+0000' else zone}"
    )


def _indented(text: str, indent: str) -> str:
    return f"\n{indent}".join(text.splitlines())


def _one_line(text: str) -> str:
    return " ".join(text.split())
