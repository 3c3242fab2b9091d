"""Times that a question names by an event: "before I moved", "since we got the dog"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mnemon_service.search.ranking.candidate import Candidate
from mnemon_service.search.ranking.keyword_score import KeywordScorer
from mnemon_service.search.ranking.time_expressions import TimeWindow
from mnemon_service.search.ranking.time_score import as_utc

_CLAUSE: Final = re.compile(
    r"\b(?P<side>(?i:before|after|since|until))\s+(?P<event>(?:(?:I|we|you|he|she|they|my|our|your|his|her|their|the)\b"
    r"|[A-Z]\w+)[^,.;:?!]{2,120})"
)
_COVERAGE: Final = 0.75
"""Share of the event's words, by their idf, that a memory must hold to count as the event."""


@dataclass(frozen=True, slots=True)
class EventAnchor:
    """The event of a question and the side of it that is asked for."""

    earlier: bool
    """True for before and until, False for after and since."""
    text: str
    terms: tuple[str, ...]
    """The content words of the event; all of them are terms of the query too."""


def find_clause(text: str) -> tuple[bool, str] | None:
    """Whether an event bounds the question's time from above, and the event's words; None if none does."""
    match = _CLAUSE.search(text)
    if match is None:
        return None
    return match["side"].casefold() in ("before", "until"), match["event"].strip()


def anchored_window(
    anchor: EventAnchor, candidates: Sequence[Candidate], scorer: KeywordScorer
) -> TimeWindow | None:
    """The window up to or from the time of the candidate that speaks of the event; None if none does.

    That candidate holds nearly all of the event's words; of several the one with most, then the
    shortest, then the first by id.
    """
    weights = {term: scorer.weights.get(term, 0.0) for term in anchor.terms}
    total = sum(weights.values())
    if not total:
        return None
    best: tuple[float, int, str, Candidate] | None = None
    for candidate in candidates:
        if candidate.event_time is None and candidate.observed_time is None:
            continue
        held = sum(weight for term, weight in weights.items() if term in candidate.term_counts)
        key = (-held, candidate.length, candidate.memory_id, candidate)
        if held >= _COVERAGE * total and (best is None or key[:3] < best[:3]):
            best = key
    if best is None:
        return None
    event = best[3].event_time
    time = event.time if event else best[3].observed_time
    if time is None:
        return None
    moment = as_utc(time)
    return TimeWindow(None, moment, anchor.text) if anchor.earlier else TimeWindow(moment, None, anchor.text)
