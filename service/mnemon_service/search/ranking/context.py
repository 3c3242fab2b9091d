"""The best memories as prompt text, within a budget of tokens."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mnemon_service.model.memory import EventTime, MemoryState, Precision


class Grouping(enum.StrEnum):
    """What the memories of a context stand under."""

    DAY = "DAY"
    """The day it happened, or was said; in time order."""
    SUBJECT = "SUBJECT"
    """Whose statement it is; the subject of the best memory first."""
    NONE = "NONE"
    """No headings; best first."""


class LeftOut(enum.StrEnum):
    """Why a memory is not in the context."""

    BUDGET = "BUDGET"
    """It did not fit any more."""
    DUPLICATE = "DUPLICATE"
    """Its text is that of a better one."""
    THRESHOLD = "THRESHOLD"
    """Its score is below the one asked for."""


@dataclass(frozen=True, slots=True)
class ContextItem:
    """A hit as the context needs it, with its text from the record."""

    memory_id: str
    text: str
    score: float
    subject: str = ""
    """Whose statement it is; empty if unknown."""
    event_time: EventTime | None = None
    observed_time: datetime | None = None
    state: MemoryState = MemoryState.ACTIVE


@dataclass(frozen=True, slots=True)
class PackedContext:
    """Ready prompt text and what became of each memory."""

    text: str
    """Empty if nothing fits."""
    included: tuple[str, ...]
    """Ids in the order of the text."""
    left_out: tuple[tuple[str, LeftOut], ...]
    """Ids and reasons, best first."""
    tokens: int
    """Estimated tokens of `text`, at most the budget."""


_UNKNOWN_DAY: Final = "Undated"
_UNKNOWN_SUBJECT: Final = "General"
_LONGEST_PIECE: Final = 6
_TOKEN_PIECES: Final = re.compile(r"\w+|[^\w\s]|\n")
_BLANKS: Final = re.compile(r"\s+")


def estimate_tokens(text: str) -> int:
    """About how many tokens a model counts for `text`, rather too many than too few.

    A word of ASCII letters counts one token for each 6 characters begun, digits one for each 3, letters
    and digits mixed (ids) two for each 3, a character of another script one for each 2 bytes of UTF-8, a
    mark of punctuation or a line break one. On English conversation (LoCoMo) that is 11 % more than a
    WordPiece vocabulary of 30,000 gives, and byte-pair vocabularies of 100,000 and more give fewer. It
    needs no model's tokeniser and is the same for all models.
    """
    return sum(_piece_tokens(piece) for piece in _TOKEN_PIECES.findall(text))


def _piece_tokens(piece: str) -> int:
    if not piece.isascii():
        return (len(piece.encode()) + 1) // 2
    if piece.isdigit():
        return (len(piece) + 2) // 3
    if any(character.isdigit() for character in piece):
        return (2 * len(piece) + 2) // 3
    return (len(piece) + _LONGEST_PIECE - 1) // _LONGEST_PIECE


def pack(
    items: Sequence[ContextItem],
    token_budget: int,
    grouping: Grouping = Grouping.DAY,
    threshold: float = 0.0,
) -> PackedContext:
    """The best of `items` (best first, as ranked) that fit into `token_budget`, as text.

    One line a memory: its date as exactly as it is known, who said it, its text and, in brackets, its
    id, so that a model can cite it. A memory that is too long for what is left is passed over; shorter,
    worse ones may still go in. Line breaks within a memory become blanks: it cannot forge a heading or
    another memory's line. Equal items give equal text. Raises ValueError for a negative budget.
    """
    if token_budget < 0:
        raise ValueError("token_budget is negative")
    chosen: list[tuple[str, ContextItem]] = []
    left_out: list[tuple[str, LeftOut]] = []
    seen: set[str] = set()
    headings: set[str] = set()
    spent = 0
    for item in items:
        plain = _plain(item.text)
        reason = _refusal(item, plain, seen, threshold)
        heading = _heading(item, grouping)
        cost = _line_cost(_line(item, grouping)) + (0 if heading in headings else _line_cost(heading))
        if reason is None and spent + cost > token_budget:
            reason = LeftOut.BUDGET
        if reason is not None:
            left_out.append((item.memory_id, reason))
            continue
        spent += cost
        headings.add(heading)
        seen.add(plain.casefold())
        chosen.append((heading, item))
    ordered = _ordered(chosen, grouping)
    text = _text(ordered, grouping)
    included = tuple(item.memory_id for _, item in ordered)
    return PackedContext(text, included, tuple(left_out), estimate_tokens(text))


def _refusal(item: ContextItem, plain: str, seen: set[str], threshold: float) -> LeftOut | None:
    if item.score < threshold:
        return LeftOut.THRESHOLD
    return LeftOut.DUPLICATE if plain.casefold() in seen else None


def _line_cost(line: str) -> int:
    """Tokens of a line with the line break after it; nothing for a heading that is not written."""
    return estimate_tokens(line) + 1 if line else 0


def _text(ordered: Sequence[tuple[str, ContextItem]], grouping: Grouping) -> str:
    lines: list[str] = []
    previous = ""
    for heading, item in ordered:
        if heading != previous:
            lines.append(heading)
            previous = heading
        lines.append(_line(item, grouping))
    return "\n".join(lines)


def _ordered(chosen: Sequence[tuple[str, ContextItem]], grouping: Grouping) -> list[tuple[str, ContextItem]]:
    """Days in time order with the undated last, lines of a day in time order; subjects by their best."""
    if grouping is Grouping.NONE:
        return list(chosen)
    if grouping is Grouping.SUBJECT:
        first: dict[str, int] = {}
        for place, (heading, _) in enumerate(chosen):
            first.setdefault(heading, place)
        return sorted(chosen, key=lambda pair: first[pair[0]])
    dated = [pair for pair in chosen if _time(pair[1]) is not None]
    undated = [pair for pair in chosen if _time(pair[1]) is None]
    # Sorting is stable: at the same moment the better one stays first.
    return sorted(dated, key=lambda pair: (_start_of_heading(pair[1]), pair[0], _moment(pair[1]))) + undated


def _heading(item: ContextItem, grouping: Grouping) -> str:
    if grouping is Grouping.NONE:
        return ""
    if grouping is Grouping.SUBJECT:
        return f"## {_plain(item.subject) or _UNKNOWN_SUBJECT}"
    return f"## {_date(item) or _UNKNOWN_DAY}"


def _line(item: ContextItem, grouping: Grouping) -> str:
    date = "" if grouping is Grouping.DAY else _date(item)
    mark = {MemoryState.SUPERSEDED: "no longer true", MemoryState.EXPIRED: "expired"}.get(item.state, "")
    notes = ", ".join(note for note in (date, mark) if note)
    return f"- {f'({notes}) ' if notes else ''}{_spoken(item, grouping)} [{item.memory_id}]"


def _spoken(item: ContextItem, grouping: Grouping) -> str:
    """The text, after its speaker's name where nothing else says whose "I" it is."""
    text, subject = _plain(item.text), _plain(item.subject)
    if not subject or grouping is Grouping.SUBJECT or subject.casefold() in text.casefold():
        return text
    return f"{subject}: {text}"


def _plain(text: str) -> str:
    """The text on one line."""
    return _BLANKS.sub(" ", text).strip()


def _date(item: ContextItem) -> str:
    """The time as exactly as it is known: "7 May 2023", "May 2023", "spring 2023"; empty if unknown."""
    if item.event_time is None:
        return "" if item.observed_time is None else _day(_utc(item.observed_time))
    time = _utc(item.event_time.time)
    match item.event_time.precision:
        case Precision.YEAR:
            return f"{time.year}"
        case Precision.SEASON:
            return f"{_SEASONS[time.month]} {time.year}"
        case Precision.MONTH:
            return f"{_MONTHS[time.month]} {time.year}"
        case Precision.WEEK:
            return f"week of {_day(time)}"
        case _:
            return _day(time)


# Not strftime: its names follow the process's locale.
_MONTHS: Final = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_SEASONS: Final = ("", *["winter"] * 2, *["spring"] * 3, *["summer"] * 3, *["autumn"] * 3, "winter")


def _day(time: datetime) -> str:
    return f"{time.day} {_MONTHS[time.month]} {time.year}"


def _time(item: ContextItem) -> datetime | None:
    return item.event_time.time if item.event_time else item.observed_time


def _moment(item: ContextItem) -> datetime:
    """The time to order by; only asked of dated items."""
    time = _time(item)
    return datetime.min.replace(tzinfo=UTC) if time is None else _utc(time)


def _start_of_heading(item: ContextItem) -> datetime:
    """Midnight of its day, so that all items of a day stand under one heading."""
    return _moment(item).replace(hour=0, minute=0, second=0, microsecond=0)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
