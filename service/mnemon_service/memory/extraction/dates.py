"""English expressions of time, resolved against the day on which they were said.

Each rule is one pattern and one function from its match and that day to a `Moment`. The longest match at
a place wins. What a phrase leaves open stays open: "a few years ago", "the other day", "recently" and
numeric dates that could be read two ways ("5/6/2023") are not resolved. Conventions: a week runs from
Monday to Sunday; "last Friday" is the latest Friday before the day, "next Friday" the Friday of the next
calendar week, "this Friday" or a bare "on Friday" the nearest one that the sentence's tense allows; a
season without a year is the latest that has begun or, after "next", the first that has not; seasons are
those of the northern hemisphere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from mnemon_service.memory.extraction import calendar
from mnemon_service.memory.extraction.agreement import is_past
from mnemon_service.memory.extraction.calendar import Moment
from mnemon_service.memory.extraction.date_meaning import Resolve, Said
from mnemon_service.memory.extraction.date_rules import JUST_NOW, RULES
from mnemon_service.memory.extraction.protected import Protected


@dataclass(frozen=True, slots=True)
class DatedPhrase:
    """An expression of time in a text: `text[start:end]`, and what it means."""

    start: int
    end: int
    moment: Moment
    complete: bool
    """True if the words already name the moment in full, so that nothing need be written after them."""


_LOOKS_AHEAD: Final = re.compile(
    r"\b(?:will|won't|going to|gonna|plan(?:s|ned|ning)?|hop(?:e|es|ing)|look(?:s|ing)? forward|can't wait|"
    r"upcoming|next|soon|tomorrow|shall|should|can(?:no|['’])t|might|book(?:ed|ing)|schedul\w{1,6}|"
    r"sign(?:ed|ing)? up|arrives?|wants? to|let's)\b|['’]ll\b",
    re.IGNORECASE,
)
_BOUNDARY: Final = re.compile(r"[,;:] | (?:and|but|though|because|while) ")
_WORD: Final = re.compile(r"[A-Za-z]{2,20}")
_PERFECT: Final = re.compile(
    r"\b(?:have|has|haven't|hasn't|been|now|already)\b|['’](?:ve|s been)\b", re.IGNORECASE
)
_GATE: Final = re.compile(
    r"\d|\b(?:just|to(?:day|night|morrow)|yesterday|ago|back|last|next|past|previous|following|coming|"
    r"upcoming|this|later|"
    r"mon|tues?|wed|thurs?|thu|fri|sat|sun|(?:mon|tues|wednes|thurs|fri|satur|sun)day|since|now|weekend|days?|weeks?|months?|years?|"
    r"january|february|march|april|may|june|july|august|september|october|november|december|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|christmas|halloween|new year's|valentine's|boxing|"
    r"independence|fools|patrick|spring|summer|autumn|fall|winter|in an?|for)\b",
    re.IGNORECASE,
)


def find(text: str, said_on: date, protected: Protected | None = None) -> list[DatedPhrase]:
    """The expressions of time in an English sentence, in order and apart from each other.

    `said_on` is the speaker's calendar day. Phrases inside protected spans are left alone.
    """
    if not _GATE.search(text):
        return []
    protected = protected or Protected(text)
    found = [
        DatedPhrase(match.start(), match.end(), moment, complete)
        for pattern, resolve, complete in RULES
        for match in pattern.finditer(text)
        if not protected.covers(match.start()) and (moment := _resolved(resolve, match, said_on))
    ]
    return _apart(found) or _just_now(text, said_on, protected)


def _resolved(resolve: Resolve, match: re.Match[str], said_on: date) -> Moment | None:
    clause = _clause_around(match)
    said = Said(
        on=said_on,
        ahead=_LOOKS_AHEAD.search(clause) is not None,
        behind=any(is_past(word) for word in _WORD.findall(clause)),
        perfect=_PERFECT.search(clause) is not None,
    )
    try:
        return resolve(match, said)
    except (ValueError, OverflowError):  # 31 June, the year 0
        return None


def _clause_around(match: re.Match[str]) -> str:
    """The part of the sentence whose tense counts: "I married in May and will move in June" has two.

    A phrase that opens a sentence before a comma belongs to what follows: "In June, we will move".
    """
    text = match.string
    start, end = 0, len(text)
    for boundary in _BOUNDARY.finditer(text):
        if boundary.end() <= match.start():
            start = boundary.end()
        elif boundary.start() > match.end() or (boundary.start() == match.end() and match.start() > start):
            end = boundary.start()
            break
    return text[start:end]


def _just_now(text: str, said_on: date, protected: Protected) -> list[DatedPhrase]:
    """ "I just moved": about the day it was said, if nothing else in the sentence tells the time."""
    for match in JUST_NOW.finditer(text):
        if is_past(match["verb"]) and not protected.covers(match.start()):
            return [DatedPhrase(match.start(), match.end(), calendar.around(said_on), complete=False)]
    return []


def _apart(found: list[DatedPhrase]) -> list[DatedPhrase]:
    """Longest first, without those that overlap one already taken; in order of place."""
    taken: list[DatedPhrase] = []
    for phrase in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        if all(phrase.end <= other.start or phrase.start >= other.end for other in taken):
            taken.append(phrase)
    return sorted(taken, key=lambda one: one.start)
