"""Times named in an English question, as windows of the calendar.

A small grammar of what people write in questions to a memory: days, months, seasons, years, spans
counted back from now, and the words that open a window to one side (before, since, after, until).
It takes microseconds, where a general date parser takes milliseconds and reads dates into plain
words. What it does not know it leaves alone: a window only ever raises what lies in it.

Seasons are the meteorological ones of the northern hemisphere (spring is March to May).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A span of time that a question names: from `start` up to, not including, `end`, in UTC.

    None for a bound means that the window is open to that side ("before May 2023").
    """

    start: datetime | None
    end: datetime | None
    text: str
    """The words of the question that name it."""


_MONTHS: Final = {
    name.casefold(): number
    for names in (calendar.month_name, calendar.month_abbr)
    for number, name in enumerate(names)
    if name
} | {"sept": 9}
_WEEKDAYS: Final = {name.casefold(): number for number, name in enumerate(calendar.day_name)}
_SEASONS: Final = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_HOLIDAYS: Final = {
    "christmas eve": (12, 24),
    "christmas": (12, 25),
    "new year's eve": (12, 31),
    "new year": (1, 1),
    "halloween": (10, 31),
    "valentine's day": (2, 14),
}
_NUMBERS: Final = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
    )
} | {"a": 1, "an": 1, "twelve": 12, "a couple of": 2, "a few": 3, "few": 3, "several": 4}

_MONTH: Final = "(?:" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\.?"
_WEEKDAY: Final = "(?:" + "|".join(_WEEKDAYS) + ")"
_SEASON: Final = "(?:" + "|".join(_SEASONS) + ")"
_HOLIDAY: Final = "(?:" + "|".join(sorted(_HOLIDAYS, key=len, reverse=True)) + ")"
_YEAR: Final = r"(?:19|20)\d\d"
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_COUNT: Final = "(?:\\d{1,3}|" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + ")"
_UNIT: Final = "(?:day|week|month|year)s?"

_UNIT_DAYS: Final = {"day": 1, "week": 7, "month": 30, "year": 365}
_LONGEST_STRETCH: Final = 40
_STRETCH: Final = re.compile(
    rf"\b(?P<stretch>(?:the|last|next)\s+(?:day|week(?:end)?|month|year|{_WEEKDAY})|{_COUNT}\s+{_UNIT})\s+$",
    re.IGNORECASE,
)

Window = tuple[datetime, datetime]


def time_windows(text: str, reference_time: datetime) -> tuple[TimeWindow, ...]:
    """The windows that `text` names, in their order there, without overlaps in the text.

    `reference_time` is the "now" of the question; a day without a year is the latest one that has
    begun by then. A naive time counts as UTC. Dates outside years 1 to 9999 are left out.
    """
    now = reference_time.replace(tzinfo=UTC) if reference_time.tzinfo is None else reference_time
    now = now.astimezone(UTC)
    windows: list[TimeWindow] = []
    for match in _EXPRESSION.finditer(text):
        try:
            window = _window(match, now)
        except (ValueError, OverflowError):
            continue
        if window is not None:
            windows.append(_opened(match, window))
    return _joined_spans(text, windows)


def _opened(match: re.Match[str], window: Window) -> TimeWindow:
    """The window, opened to one side by the word before it, or the stretch that the words before that
    measure out ("two weeks before 11 August")."""
    start, end = window
    words = match.group(0)
    side = (match["side"] or "").casefold()
    if side in ("before", "prior to", "after"):
        stretch = _STRETCH.search(match.string, max(match.start() - _LONGEST_STRETCH, 0), match.start())
        if stretch is not None:
            earlier = side != "after"
            measured = _stretch(stretch["stretch"].casefold(), start if earlier else end, earlier)
            return TimeWindow(*measured, match.string[stretch.start("stretch") : match.end()])
    if side in ("before", "prior to"):
        return TimeWindow(None, start, words)
    if side in ("until", "till", "up to"):
        return TimeWindow(None, end, words)
    if side == "after":
        return TimeWindow(end, None, words)
    if side == "since":
        return TimeWindow(start, None, words)
    return TimeWindow(start, end, words)


def _stretch(words: str, edge: datetime, earlier: bool) -> Window:
    """What "the week", "three days" or "the Sunday" before or after `edge` is."""
    sign = -1 if earlier else 1
    weekday = next(
        (day for name, day in _WEEKDAYS.items() if name in words), 5 if "weekend" in words else None
    )
    if weekday is not None:
        if earlier:
            start = edge - timedelta(days=(edge.weekday() - weekday) % 7 or 7)
        else:
            start = edge + timedelta(days=(weekday - edge.weekday()) % 7)
        return start, start + timedelta(days=2 if "weekend" in words else 1)
    number, unit = _count(words)
    if re.match("the|last|next", words):
        # "The week before" is all of it; "two weeks before" is about that day.
        other = edge + sign * timedelta(days=_UNIT_DAYS[unit])
        return min(edge, other), max(edge, other)
    middle = edge + sign * timedelta(days=number * _UNIT_DAYS[unit])
    slack = timedelta(days=_UNIT_DAYS[unit] // 2)
    return middle - slack, middle + slack + timedelta(days=1)


def _joined_spans(text: str, windows: list[TimeWindow]) -> tuple[TimeWindow, ...]:
    """The windows, with "between X and Y" and "from X to Y" made one."""
    if len(windows) != 2:
        return tuple(windows)
    first, second = windows
    spans = (
        rf"\b(?:between|from)\s+{re.escape(first.text)}\s+(?:and|to|until|till)\s+{re.escape(second.text)}"
    )
    # "until Y" has taken its opening word into its own text.
    until = rf"\bfrom\s+{re.escape(first.text)}\s+{re.escape(second.text)}"
    match = re.search(spans, text) or re.search(until, text)
    if match is None or first.start is None or second.end is None or first.start >= second.end:
        return tuple(windows)
    return (TimeWindow(first.start, second.end, match.group(0)),)


def _window(match: re.Match[str], now: datetime) -> Window | None:
    """The window of one match, by the alternative of the grammar that matched."""
    for name, resolve in _RESOLVERS.items():
        if match[name] is not None:
            return resolve(match[name].casefold(), now)
    return None


def _day(year: int, month: int, day: int) -> Window:
    start = datetime(year, month, day, tzinfo=UTC)
    return start, start + timedelta(days=1)


def _month(year: int, month: int, length: int = 1) -> Window:
    """`length` whole months from that month on; the month may lie outside 1 to 12."""
    start = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
    month += length
    return start, datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)


def _year(year: int) -> Window:
    return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _iso(words: str, now: datetime) -> Window:
    parts = [int(part) for part in words.split("-")]
    return _month(*parts) if len(parts) == 2 else _day(*parts)


def _date(words: str, now: datetime) -> Window:
    """Day and month in either order, with or without a year."""
    month = next(_MONTHS[word] for word in re.findall(r"[a-z]+", words) if word in _MONTHS)
    year = re.search(_YEAR, words)
    day = int(re.findall(r"(?<!\d)\d{1,2}(?!\d)", words)[0])
    if year:
        return _day(int(year[0]), month, day)
    return _latest(lambda at: _day(at, month, day), now)


def _latest(of_year: Callable[[int], Window], now: datetime) -> Window:
    """The window of this year, or of last year if this year's has not begun.

    29 February is sought through the last eight years.
    """
    for year in range(now.year, now.year - 9, -1):
        try:
            window = of_year(year)
        except ValueError:
            continue
        if window[0] <= now:
            return window
    raise ValueError("no such day")


def _shift(words: str) -> int:
    """-1 for last, +1 for next, 0 for this; a bare name counts as 0."""
    if re.match(r"last|past|previous", words):
        return -1
    return 1 if re.match(r"next|coming|following", words) else 0


def _named_month(words: str, now: datetime) -> Window:
    month = next(_MONTHS[word] for word in re.findall(r"[a-z]+", words) if word in _MONTHS)
    if year := re.search(_YEAR, words):
        return _month(int(year[0]), month)
    return _of_year(lambda year: _month(year, month), words, now)


def _named_season(words: str, now: datetime) -> Window:
    month = next(_SEASONS[word] for word in re.findall(r"[a-z]+", words) if word in _SEASONS)
    if year := re.search(_YEAR, words):
        # "winter 2023" is the one that begins in 2023.
        return _month(int(year[0]), month, 3)
    return _of_year(lambda year: _month(year, month, 3), words, now)


def _holiday(words: str, now: datetime) -> Window:
    month, day = next(date for name, date in _HOLIDAYS.items() if name in words)
    if year := re.search(_YEAR, words):
        return _day(int(year[0]), month, day)
    return _of_year(lambda year: _day(year, month, day), words, now)


def _of_year(of_year: Callable[[int], Window], words: str, now: datetime) -> Window:
    """The yearly window that `words` pick: the latest begun one, the last complete one, or the next."""
    start, end = _latest(of_year, now)
    if words.startswith("this") and start.year != now.year:
        return of_year(now.year)
    shift = _shift(words)
    if shift < 0 and end > now:
        return of_year(start.year - 1)
    return of_year(start.year + 1) if shift > 0 else (start, end)


def _weekday(words: str, now: datetime) -> Window:
    """The latest such day before today; with "next" or "this coming" the first one after today."""
    name = next(word for word in re.findall(r"[a-z]+", words) if word in _WEEKDAYS)
    today = _midnight(now)
    back = (today.weekday() - _WEEKDAYS[name]) % 7 or 7
    start = today - timedelta(days=back)
    if _shift(words) > 0:
        start += timedelta(days=14 if back == 7 else 7)
    return start, start + timedelta(days=1)


def _single_day(words: str, now: datetime) -> Window:
    offsets = {"day before yesterday": -2, "yesterday": -1, "last night": -1, "day after tomorrow": 2}
    offset = next((days for name, days in offsets.items() if name in words), None)
    if offset is None:
        offset = 1 if "tomorrow" in words else 0
    start = _midnight(now) + timedelta(days=offset)
    return start, start + timedelta(days=1)


def _relative_unit(words: str, now: datetime) -> Window:
    """This, last or next week (from Monday), weekend, month or year."""
    shift, today = _shift(words), _midnight(now)
    if "month" in words:
        return _month(now.year, now.month + shift)
    if "year" in words:
        return _year(now.year + shift)
    monday = today - timedelta(days=today.weekday()) + timedelta(days=7 * shift)
    if "weekend" in words:
        return monday + timedelta(days=5), monday + timedelta(days=7)
    return monday, monday + timedelta(days=7)


def _count(words: str) -> tuple[int, str]:
    """The number and the unit of "three weeks"."""
    unit = next(unit for unit in ("day", "week", "month", "year") if unit in words)
    digits = re.search(r"\d+", words)
    if digits:
        return int(digits[0]), unit
    number = re.search("|".join(rf"\b{name}\b" for name in sorted(_NUMBERS, key=len, reverse=True)), words)
    return (_NUMBERS[number[0]] if number else 1), unit


def _back(now: datetime, number: int, unit: str) -> Window:
    """The day, week, month or year that lies `number` of them back."""
    today = _midnight(now)
    if unit == "day":
        start = today - timedelta(days=number)
        return start, start + timedelta(days=1)
    if unit == "week":
        # "Two weeks ago" is said loosely: the seven days around that day.
        start = today - timedelta(days=7 * number + 3)
        return start, start + timedelta(days=7)
    if unit == "month":
        return _month(now.year, now.month - number)
    return _year(now.year - number)


def _ago(words: str, now: datetime) -> Window:
    return _back(now, *_count(words))


def _past_span(words: str, now: datetime) -> Window:
    """The last three weeks: from then up to now, today included."""
    start, _ = _back(now, *_count(words))
    return start, _midnight(now) + timedelta(days=1)


def _plain_year(words: str, now: datetime) -> Window:
    return _year(int(words))


_WHICH: Final = r"(?:(?:this\s+coming|last|past|previous|this|next|coming|following)\s+)"
_ALTERNATIVES: Final[dict[str, tuple[str, Callable[[str, datetime], Window]]]] = {
    "iso": (rf"{_YEAR}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?(?!\d)", _iso),
    "date": (
        rf"(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?\b|{_MONTH}\s+(?:the\s+)?{_DAY}\b(?:,?\s+{_YEAR}\b)?",
        _date,
    ),
    # A bare month name may be a person or a verb ("May", "March"): it needs a word before or a year after.
    "month": (
        rf"{_WHICH}{_MONTH}\b|{_MONTH},?\s+(?:of\s+)?{_YEAR}\b"
        rf"|(?<=\bin\s){_MONTH}(?!\w)|(?<=\bfrom\s){_MONTH}(?!\w)|(?<=\bbetween\s){_MONTH}(?!\w)|(?<=\band\s){_MONTH}(?=\s*[?.!,]?$)|(?<=\bsince\s){_MONTH}(?!\w)|(?<=\buntil\s){_MONTH}(?!\w)"
        rf"|(?<=\bbefore\s){_MONTH}(?!\w)|(?<=\bafter\s){_MONTH}(?!\w)|(?<=\bduring\s){_MONTH}(?!\w)",
        _named_month,
    ),
    "season": (
        rf"{_WHICH}{_SEASON}\b|(?:the\s+)?{_SEASON}\s+(?:of\s+)?{_YEAR}\b|(?<=\bin\s)(?:the\s+)?(?:spring|summer|autumn|winter|fall)\b"
        rf"|(?<=\bduring\s)(?:the\s+)?{_SEASON}\b",
        _named_season,
    ),
    "holiday": (rf"(?:{_WHICH})?{_HOLIDAY}(?:\s+(?:of\s+)?{_YEAR})?\b", _holiday),
    "ago": (rf"{_COUNT}\s+{_UNIT}\s+(?:ago|back|earlier)\b", _ago),
    "past_span": (rf"(?:the\s+)?(?:last|past|previous)\s+{_COUNT}\s+{_UNIT}\b", _past_span),
    "single_day": (
        r"(?:the\s+)?day\s+before\s+yesterday\b|(?:the\s+)?day\s+after\s+tomorrow\b|yesterday\b|tomorrow\b|today\b"
        r"|tonight\b|last\s+night\b|this\s+(?:morning|afternoon|evening)\b",
        _single_day,
    ),
    "relative_unit": (rf"{_WHICH}(?:week(?:end)?|month|year)\b", _relative_unit),
    "weekday": (rf"(?:{_WHICH}|(?<=\bon\s)){_WEEKDAY}\b", _weekday),
    "year": (rf"{_YEAR}\b(?!\s*%)", _plain_year),
}
_RESOLVERS: Final = {name: resolve for name, (_, resolve) in _ALTERNATIVES.items()}
_EXPRESSION: Final = re.compile(
    r"\b(?:(?P<side>before|prior\s+to|until|till|up\s+to|after|since)\s+(?:the\s+)?)?(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, (pattern, _) in _ALTERNATIVES.items())
    + ")",
    re.IGNORECASE,
)
