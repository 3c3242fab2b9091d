"""What an expression of time means on the day it was said: one function a kind of expression.

Each takes the match of its pattern in `date_rules` and gives a `Moment`, or None if the words leave it
open. `ValueError` and `OverflowError` mean a date that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from mnemon_service.memory.extraction import calendar
from mnemon_service.memory.extraction.calendar import SEASONS, Moment


@dataclass(frozen=True, slots=True)
class Said:
    """The day on which something was said, and where the sentence looks: neither way if it has no verb."""

    on: date
    ahead: bool
    behind: bool = True
    perfect: bool = False
    """True if the sentence says that something has been going on."""


_HALF_A_YEAR_IN_DAYS: Final = 182
Resolve = Callable[[re.Match[str], Said], Moment | None]

_NUMBERS: Final = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
    "couple": 2, "half": 0,
}  # fmt: skip
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH_NUMBERS: Final = {name[:3].casefold(): number for number, name in enumerate(calendar.MONTHS, 1)}
_FIXED_DAYS: Final = {
    "christmas eve": (12, 24), "christmas day": (12, 25), "christmas": (12, 25), "boxing day": (12, 26),
    "new year's eve": (12, 31), "new year's day": (1, 1), "new year's": (1, 1), "valentine's day": (2, 14),
    "valentine's": (2, 14), "halloween": (10, 31), "independence day": (7, 4), "april fools' day": (4, 1),
    "st patrick's day": (3, 17),
}  # fmt: skip


def number(words: str) -> int:
    words = words.casefold()
    if words.isdigit():
        return int(words)
    return 2 if "couple" in words else _NUMBERS[words]


def days_from_now(days: int) -> Resolve:
    return lambda _match, said: calendar.day(said.on + timedelta(days=days))


def weekday_number(match: re.Match[str]) -> int:
    return _WEEKDAYS.index(match["weekday"][:3].casefold())


def last_weekday(match: re.Match[str], said: Said) -> Moment:
    back = (said.on.weekday() - weekday_number(match)) % 7 or 7
    return calendar.day(said.on - timedelta(days=back))


def next_weekday(match: re.Match[str], said: Said) -> Moment:
    monday = said.on - timedelta(days=said.on.weekday())
    return calendar.day(monday + timedelta(days=7 + weekday_number(match)))


def near_weekday(match: re.Match[str], said: Said) -> Moment:
    if said.ahead:
        return calendar.day(said.on + timedelta(days=(weekday_number(match) - said.on.weekday()) % 7))
    return calendar.day(said.on - timedelta(days=(said.on.weekday() - weekday_number(match)) % 7))


def coming_weekday(match: re.Match[str], said: Said) -> Moment:
    return calendar.day(said.on + timedelta(days=(weekday_number(match) - said.on.weekday()) % 7))


def unit_from_now(unit: str, count: int, said: Said) -> Moment:
    """The unit that lies `count` of its kind after the one of today; days stay days."""
    if unit == "day":
        return calendar.day(said.on + timedelta(days=count))
    if unit == "week":
        return calendar.week(said.on + timedelta(weeks=count))
    if unit == "weekend":
        return calendar.weekend(said.on + timedelta(weeks=count))
    if unit == "month":
        return calendar.month(calendar.shift_months(said.on, count))
    if unit == "decade":
        return calendar.year(said.on.year + 10 * count)
    return calendar.year(said.on.year + count)


def ago(match: re.Match[str], said: Said) -> Moment:
    return unit_from_now(match["unit"].casefold(), -number(match["n"]), said)


def from_now(match: re.Match[str], said: Said) -> Moment:
    return unit_from_now(match["unit"].casefold(), number(match["n"]), said)


def few_ago(match: re.Match[str], said: Said) -> Moment | None:
    """A few of a unit, taken as three and stated one unit coarser; months and years stay open."""
    unit = match["unit"].casefold()
    if unit == "day":
        return calendar.week(said.on - timedelta(days=3))
    return calendar.month(said.on - timedelta(weeks=3)) if unit == "week" else None


def relative_unit(count: int) -> Resolve:
    return lambda match, said: unit_from_now(match["unit"].casefold(), count, said)


def last_weekend(_match: re.Match[str], said: Said) -> Moment:
    """The latest weekend that lies before the day; on a Sunday the one a week before."""
    return calendar.weekend(said.on - timedelta(weeks=1))


def over_weekend(match: re.Match[str], said: Said) -> Moment:
    """ "Over the weekend": the coming one if the sentence looks ahead, else the last."""
    return unit_from_now("weekend", 0, said) if said.ahead else last_weekend(match, said)


def season_of(match: re.Match[str], said: Said) -> Moment:
    """The latest one of that name that has ended, after "last"; else the one nearest in the tense."""
    name, which = match["season"].casefold(), match["which"].casefold()
    begun = latest_begun(name, said.on)
    running = calendar.shift_months(date(begun, SEASONS[name], 1), 3) > said.on
    if which in ("last", "past", "previous", "this past"):
        return calendar.season(name, begun - 1 if running else begun)
    if which == "next" or (which in ("this", "the", "over the", "during the") and not running and said.ahead):
        return calendar.season(name, begun + 1)
    return calendar.season(name, begun)


def latest_begun(season: str, today: date) -> int:
    return today.year if date(today.year, SEASONS[season], 1) <= today else today.year - 1


def season_year(match: re.Match[str], said: Said) -> Moment:
    return calendar.season(match["season"].casefold(), int(match["year"]))


def month_number(match: re.Match[str]) -> int:
    return _MONTH_NUMBERS[match["month"][:3].casefold()]


def last_month_named(match: re.Match[str], said: Said) -> Moment:
    number = month_number(match)
    return calendar.month(date(said.on.year - (number >= said.on.month), number, 1))


def next_month_named(match: re.Match[str], said: Said) -> Moment:
    number = month_number(match)
    return calendar.month(date(said.on.year + (number <= said.on.month), number, 1))


def month_without_year(match: re.Match[str], said: Said) -> Moment:
    """The latest such month not after this one, or the first not before it if the sentence looks ahead."""
    number = month_number(match)
    if said.ahead:
        return calendar.month(date(said.on.year + (number < said.on.month), number, 1))
    return calendar.month(date(said.on.year - (number > said.on.month), number, 1))


def month_year(match: re.Match[str], said: Said) -> Moment:
    return calendar.month(date(int(match["year"]), month_number(match), 1))


def full_date(match: re.Match[str], said: Said) -> Moment:
    return calendar.day(date(int(match["year"]), month_number(match), int(match["day"])))


def iso_date(match: re.Match[str], said: Said) -> Moment:
    return calendar.day(date(int(match["year"]), int(match["number"]), int(match["day"])))


def numeric_date(match: re.Match[str], said: Said) -> Moment | None:
    """Only where one of the two numbers cannot be a month."""
    one, two = int(match["one"]), int(match["two"])
    if one > 12 >= two:
        return calendar.day(date(int(match["year"]), two, one))
    if two > 12 >= one:
        return calendar.day(date(int(match["year"]), one, two))
    return calendar.day(date(int(match["year"]), one, two)) if one == two else None


def day_without_year(match: re.Match[str], said: Said) -> Moment:
    return nearest_day(month_number(match), int(match["day"]), said)


def nearest_day(month: int, day: int, said: Said) -> Moment:
    """The last one that was, or the next one if the sentence looks ahead; without a verb the nearer one."""
    this_year = date(said.on.year, month, day)
    if not said.ahead and not said.behind:
        # Half a year away at most: ahead if it comes within that time, also round the turn of the year.
        said = replace(said, ahead=(this_year - said.on).days % 365 <= _HALF_A_YEAR_IN_DAYS)
    if said.ahead and this_year < said.on:
        return calendar.day(this_year.replace(year=said.on.year + 1))
    if not said.ahead and this_year > said.on:
        return calendar.day(this_year.replace(year=said.on.year - 1))
    return calendar.day(this_year)


def day_of_this_month(match: re.Match[str], said: Said) -> Moment:
    """ "On the 15th": of this month, or of the next or last one where the tense asks for it."""
    day = int(match["day"])
    if said.ahead and day < said.on.day:
        return calendar.day(calendar.shift_months(said.on, 1).replace(day=day))
    if not said.ahead and day > said.on.day:
        return calendar.day(calendar.shift_months(said.on, -1).replace(day=day))
    return calendar.day(said.on.replace(day=day))


def fixed_day(match: re.Match[str], said: Said) -> Moment:
    month, day = _FIXED_DAYS[match["fixed"].casefold().replace("’", "'")]
    which = (match["which"] or "").casefold()
    if which in ("last", "past", "this past"):
        return nearest_day(month, day, Said(said.on - timedelta(days=1), ahead=False))
    return nearest_day(month, day, replace(said, ahead=said.ahead or which in ("next", "this")))


def plain_year(match: re.Match[str], said: Said) -> Moment:
    return calendar.year(int(match["year"]))


def part_of_month(match: re.Match[str], said: Said) -> Moment:
    """ "Early August", "the end of May": the month; a part of it has no precision of its own."""
    return month_without_year(match, said) if match["year"] is None else month_year(match, said)


def end_of_unit(match: re.Match[str], said: Said) -> Moment:
    """ "The end of this month", "later this year": the unit itself."""
    count = {"last": -1, "next": 1}.get(match["which"].casefold(), 0)
    return unit_from_now(match["unit"].casefold(), count, said)


def nth_week(match: re.Match[str], said: Said) -> Moment:
    """ "The first weekend of August", "the last week of May 2023"."""
    first = part_of_month(match, said).first
    weekend = match["unit"].casefold() == "weekend"
    if match["nth"].casefold() == "last":
        last = calendar.shift_months(first, 1) - timedelta(days=1)
        return (
            calendar.weekend(last - timedelta(days=(last.weekday() - 6) % 7))
            if weekend
            else calendar.week(last)
        )
    count = ("first", "second", "third", "fourth").index(match["nth"].casefold())
    if weekend:
        saturday = first + timedelta(days=(5 - first.weekday()) % 7)
        return calendar.weekend(saturday + timedelta(weeks=count))
    return calendar.week(first + timedelta(weeks=count))


def held_for(match: re.Match[str], said: Said) -> Moment | None:
    """ "I've known her for four years": the year in which it began to hold."""
    if not said.perfect:
        return None
    moment = unit_from_now(match["unit"].casefold(), -number(match["n"]), said)
    return Moment(moment.first, moment.precision, f"since {moment.wording}")
