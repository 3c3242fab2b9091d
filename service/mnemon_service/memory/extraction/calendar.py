"""Named units of the calendar: the day, week, month, season or year around a date, and its wording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from mnemon_service.model.memory import EventTime, Precision

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
SEASONS: Final = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""The first month of each season, as meteorologists count them north of the equator."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A named unit: its first day, how large it is, and how to write it."""

    first: date
    precision: Precision
    wording: str

    @property
    def event_time(self) -> EventTime:
        """As it is stored. The speaker's calendar day is taken as a day in UTC."""
        return EventTime(datetime.combine(self.first, time(), UTC), self.precision)

    @property
    def neutral_wording(self) -> str:
        """The same for texts in other languages: ISO 8601, as far as the unit reaches."""
        lengths = {Precision.YEAR: 4, Precision.MONTH: 7, Precision.SEASON: 7}
        return self.first.isoformat()[: lengths.get(self.precision, 10)]


def day(of: date) -> Moment:
    """The day itself: "7 May 2023"."""
    return Moment(of, Precision.DAY, f"{of.day} {MONTHS[of.month - 1]} {of.year}")


def week(of: date) -> Moment:
    """The week from Monday to Sunday that holds the day: "week of 1 May 2023"."""
    monday = of - timedelta(days=of.weekday())
    return Moment(monday, Precision.WEEK, f"week of {day(monday).wording}")


def around(of: date) -> Moment:
    """The week that holds the day, for what happened on it or shortly before: "about 7 May 2023"."""
    return Moment(week(of).first, Precision.WEEK, f"about {day(of).wording}")


def weekend(of: date) -> Moment:
    """Saturday and Sunday of the day's week: "6-7 May 2023". WEEK is the nearest precision there is."""
    saturday = of + timedelta(days=5 - of.weekday())
    sunday = saturday + timedelta(days=1)
    if saturday.month == sunday.month:
        return Moment(saturday, Precision.WEEK, f"{saturday.day}-{day(sunday).wording}")
    return Moment(saturday, Precision.WEEK, f"weekend of {day(saturday).wording}")


def month(of: date) -> Moment:
    """The month that holds the day: "May 2023"."""
    return Moment(of.replace(day=1), Precision.MONTH, f"{MONTHS[of.month - 1]} {of.year}")


def season(name: str, year: int) -> Moment:
    """A season by the year in which it begins: "summer 2023", "winter 2023-24"."""
    first = date(year, SEASONS[name], 1)
    wording = f"{name} {year}-{(year + 1) % 100:02d}" if first.month == 12 else f"{name} {year}"
    return Moment(first, Precision.SEASON, wording)


def year(of: int) -> Moment:
    """The year: "2023"."""
    return Moment(date(of, 1, 1), Precision.YEAR, str(of))


def shift_months(of: date, count: int) -> date:
    """The first day of the month that lies `count` months later (earlier if negative).

    Raises `ValueError` outside the years 1 to 9999.
    """
    index = of.year * 12 + of.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)
