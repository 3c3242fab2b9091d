"""How close a memory's time is to a time that the query names, and how fresh it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from mnemon_service.model.memory import EventTime, Precision
from mnemon_service.search.ranking.time_expressions import TimeWindow

_DAY_SECONDS: Final = 86400.0
_LENGTH_DAYS: Final = {
    Precision.INSTANT: 0,
    Precision.DAY: 1,
    Precision.WEEK: 7,
    Precision.MONTH: 30,
    Precision.SEASON: 91,
    Precision.YEAR: 365,
}


def event_span(event_time: EventTime) -> tuple[datetime, datetime]:
    """First and last instant of the unit that the event time names (months count 30 days)."""
    start = as_utc(event_time.time)
    try:
        return start, start + timedelta(days=_LENGTH_DAYS[event_time.precision])
    except OverflowError:
        return start, start


def closeness(
    windows: Sequence[TimeWindow],
    event_time: EventTime | None,
    observed_time: datetime | None,
    decay_days: float,
) -> float:
    """1 if the event or the moment it was spoken of lies in a window, falling with the distance in days.

    0 without windows or times. What is spoken of on 8 May may well have happened on the 7th: that is
    why the observed time counts too and why it falls slowly.
    """
    best = 0.0
    for window in windows:
        if event_time is not None:
            best = max(best, _closeness(window, *event_span(event_time), decay_days))
        if observed_time is not None:
            moment = as_utc(observed_time)
            best = max(best, _closeness(window, moment, moment, decay_days))
    return best


def _closeness(window: TimeWindow, start: datetime, end: datetime, decay_days: float) -> float:
    if window.end is not None and start >= window.end:
        gap = start - window.end
    elif window.start is not None and end < window.start:
        gap = window.start - end
    else:
        return 1.0
    return math.exp(-gap.total_seconds() / _DAY_SECONDS / decay_days)


def freshness(time: datetime | None, reference_time: datetime, half_life_days: float) -> float:
    """1 for now and for the future, 1/2 at the half-life; 0 if the time is unknown."""
    if time is None:
        return 0.0
    age = (as_utc(reference_time) - as_utc(time)).total_seconds() / _DAY_SECONDS
    return float(0.5 ** (max(age, 0.0) / half_life_days))


def as_utc(time: datetime) -> datetime:
    """The time with its zone; a naive one counts as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
