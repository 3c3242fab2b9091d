"""Cuts a conversation into pieces that a model can read, and answer, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mnemon_service.memory.understanding.conversation import is_evidence
from mnemon_service.memory.understanding.token_estimate import estimate_tokens
from mnemon_service.model.message import Message

MESSAGE_OVERHEAD_TOKENS = 24
"""For the line's number, speaker and time."""
IMAGE_TOKENS = 1500
"""What an image may cost: OpenAI charges up to 1,105 in high detail (gpt-4o), Anthropic about 1,600 at
most, Gemini 258 a tile."""
SHORTEST_CUT = 200
"""A text shorter than twice this many characters is not cut: a sentence would lose its meaning."""

CONTEXT_CHARACTERS = 1200
"""Of a new message that facts may not be taken from (system prompts, recalled text)."""

_BOUNDARIES = ("\n\n", "\n", "。", ". ", "! ", "? ", "; ", ", ", " ")
"""Where a long text is cut, the best first."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A message, or a part of a very long one, as it stands in a piece."""

    message: Message
    text: str
    number: int | None
    """What the model calls the message, 1 to n over the whole conversation; None for mere context."""
    with_images: bool

    @property
    def tokens(self) -> int:
        """An estimate of what it costs to read."""
        images = len(self.message.images) * IMAGE_TOKENS if self.with_images else 0
        return estimate_tokens(self.text) + MESSAGE_OVERHEAD_TOKENS + images


Piece = tuple[Segment, ...]


def number_messages(messages: Iterable[Message]) -> dict[int, Message]:
    """The messages that facts may be taken from, numbered from 1 in their order."""
    return dict(enumerate((message for message in messages if is_evidence(message)), start=1))


def cut_into_pieces(messages: Sequence[Message], budget: int) -> list[Piece]:
    """The messages in pieces of at most `budget` estimated tokens, none without a numbered message.

    Messages stay whole unless one alone is over the budget; it is then cut at paragraphs, lines or
    sentences. A piece may exceed the budget by the images of one message.
    """
    pieces: list[Piece] = []
    current: list[Segment] = []
    used = 0
    for segment in _segments(messages, budget):
        if used + segment.tokens > budget:
            pieces.append(tuple(current))
            current, used = [], 0
        current.append(segment)
        used += segment.tokens
    pieces.append(tuple(current))
    return [piece for piece in pieces if has_evidence(piece)]


def has_evidence(piece: Piece) -> bool:
    """Whether there is a message in it that facts may be taken from."""
    return any(segment.number is not None for segment in piece)


def halve(piece: Piece) -> tuple[Piece, Piece] | None:
    """The piece in two of about equal cost, each with a numbered message; None if it cannot be cut."""
    numbered = [place for place, segment in enumerate(piece) if segment.number is not None]
    if len(numbered) == 1:
        return _halve_text(piece, numbered[0])
    total = sum(segment.tokens for segment in piece)
    best, best_distance = numbered[1], total
    for place in numbered[1:]:
        distance = abs(total - 2 * sum(segment.tokens for segment in piece[:place]))
        if distance < best_distance:
            best, best_distance = place, distance
    return piece[:best], piece[best:]


def rest_of(piece: Piece, number: int) -> Piece:
    """The piece from the message of that number on."""
    place = next(place for place, segment in enumerate(piece) if segment.number == number)
    return piece[place:]


def _segments(messages: Sequence[Message], budget: int) -> Iterable[Segment]:
    number = 0
    for message in messages:
        if not is_evidence(message):
            yield Segment(message, shortened(message.content, CONTEXT_CHARACTERS), None, with_images=False)
            continue
        number += 1
        for place, text in enumerate(_cut_text(message.content, budget)):
            yield Segment(message, text, number, with_images=place == 0)


def shortened(text: str, characters: int) -> str:
    """The text, cut to that many characters and marked so if it is longer."""
    return text if len(text) <= characters else f"{text[:characters]} …"


def _cut_text(text: str, budget: int) -> list[str]:
    if estimate_tokens(text) <= budget or len(text) < 2 * SHORTEST_CUT:
        return [text]
    place = _middle(text)
    return [*_cut_text(text[:place], budget), *_cut_text(text[place:], budget)]


def _halve_text(piece: Piece, place: int) -> tuple[Piece, Piece] | None:
    segment = piece[place]
    if len(segment.text) < 2 * SHORTEST_CUT:
        return None
    middle = _middle(segment.text)
    first = Segment(segment.message, segment.text[:middle], segment.number, segment.with_images)
    second = Segment(segment.message, segment.text[middle:], segment.number, with_images=False)
    return (*piece[:place], first), (second, *piece[place + 1 :])


def _middle(text: str) -> int:
    """The best place to cut within the middle third."""
    first, last = len(text) // 3, 2 * len(text) // 3
    for boundary in _BOUNDARIES:
        found = text.rfind(boundary, first, last)
        if found >= 0:
            return found + len(boundary)
    return len(text) // 2
