"""Reads the times a model writes: a calendar unit and its first instant."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from mnemon_service.model.memory import EventTime, Precision

_YEAR = re.compile(r"(\d{4})")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_WEEK = re.compile(r"(\d{4})-?W(\d{2})")
_SEASON = re.compile(r"(\d{4})-(spring|summer|autumn|fall|winter)", re.IGNORECASE)
_SEASON_MONTHS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""First month of the meteorological season of the northern hemisphere; winter begins in the named year."""


def read_event_time(start: str | None, end: str | None) -> EventTime | None:
    """The event time that two texts of the model say; None if the first is absent or blank.

    The forms are `2023`, `2023-summer`, `2023-05`, `2023-W19`, `2023-05-07` and any ISO 8601 time with
    a date. A time without an offset counts as UTC. An end that is unreadable or not after the start
    is left out.

    Raises ValueError if the start is there and in no known form.
    """
    if start is None or not start.strip():
        return None
    time, precision = _read(start.strip())
    return EventTime(time, precision, _read_end(end, time))


def _read_end(end: str | None, start: datetime) -> datetime | None:
    try:
        finish = _read(end.strip())[0] if end and end.strip() else None
    except ValueError:
        return None
    return finish if finish is not None and finish > start else None


def _read(text: str) -> tuple[datetime, Precision]:
    if found := _DAY.fullmatch(text):
        return _start(int(found[1]), int(found[2]), int(found[3])), Precision.DAY
    if found := _MONTH.fullmatch(text):
        return _start(int(found[1]), int(found[2])), Precision.MONTH
    if found := _YEAR.fullmatch(text):
        return _start(int(found[1])), Precision.YEAR
    if found := _WEEK.fullmatch(text):
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1)
        return _start(monday.year, monday.month, monday.day), Precision.WEEK
    if found := _SEASON.fullmatch(text):
        return _start(int(found[1]), _SEASON_MONTHS[found[2].lower()]), Precision.SEASON
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC), Precision.INSTANT
    except OverflowError as error:
        raise ValueError(text) from error


def _start(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)
