"""The English expressions of time that are understood: one pattern each, with what it means."""

from __future__ import annotations

import re
from typing import Final

from mnemon_service.memory.extraction import date_meaning as means
from mnemon_service.memory.extraction.date_meaning import Resolve

_N = (
    r"(?P<n>\d{1,3}|(?i:an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|"
    r"twenty|thirty"
    r"|(?:a )?couple(?: of)?))"
)
_WEEKDAY = (
    r"(?P<weekday>(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday)|Mon|Tues?|Wed|"
    r"Thurs?|Thu|Fri|Sat|Sun)\b"
)
_MONTH = (
    r"(?P<month>(?i:january|february|april|june|july|august|september|october|november|december)|March|May"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_SEASON = r"(?P<season>(?i:spring|summer|autumn|fall|winter))"
_DAY_OF_MONTH = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\b"
_YEAR = r"(?P<year>(?:19|20)\d\d)\b"
_PAST_WORD = r"(?i:(?:this )?past|(?:just )?last|previous)"
_NEXT_WORD = r"(?i:next|the following|(?:this )?coming|the upcoming|upcoming)"
_PART_OF_DAY = r"(?: (?i:morning|afternoon|evening|night))?"


def _rule(pattern: str, resolve: Resolve, *, complete: bool = False) -> tuple[re.Pattern[str], Resolve, bool]:
    return re.compile(pattern), resolve, complete


_UNIT = r"(?P<unit>(?i:day|weekend|week|month|year|decade))s?\b"
RULES: Final = (
    # Days counted from today
    _rule(r"\b(?i:today|earlier today|tonight|this (?:morning|afternoon|"
        r"evening))\b", means.days_from_now(0)),
    _rule(r"\b(?i:yesterday)" + _PART_OF_DAY + r"\b|\b(?i:last night)\b", means.days_from_now(-1)),
    _rule(r"\b(?i:(?:the )?day before yesterday|(?:the )?night before last)\b", means.days_from_now(-2)),
    _rule(r"\b(?i:tomorrow)" + _PART_OF_DAY + r"\b", means.days_from_now(1)),
    _rule(r"\b(?i:(?:the )?day after tomorrow)\b", means.days_from_now(2)),
    _rule(r"\b(?i:(?:\d{1,3}|an?|a few|a couple(?: of)?|two|three|four|five|some) (?:hour|minute|"
        r"min)s? ago)\b", means.days_from_now(0)),
    # Units counted from today
    _rule(r"\b" + _N + r" " + _UNIT + r" (?i:ago|back|before now)\b", means.ago),
    _rule(r"\b(?i:in|within) " + _N + r" " + _UNIT + r"(?! of)", means.from_now),
    _rule(r"\b" + _N + r" " + _UNIT + r" (?i:from (?:now|today)|later|out)\b", means.from_now),
    _rule(r"\b(?i:a few|few|several|some) (?P<unit>(?i:day|week))s (?i:ago|back)\b", means.few_ago),
    # The unit before, around and after today
    _rule(r"\b" + _PAST_WORD + r" (?P<unit>(?i:week|month|year))\b(?! (?i:of|"
        r"in)\b)", means.relative_unit(-1)),
    _rule(r"\b(?i:this(?: current)?) (?P<unit>(?i:week|weekend|month|year))\b", means.relative_unit(0)),
    _rule(r"\b" + _NEXT_WORD + r" (?P<unit>(?i:week|weekend|month|year))\b", means.relative_unit(1)),
    _rule(r"\b(?i:the) (?P<unit>(?i:week|month|year)) (?i:after next)\b", means.relative_unit(2)),
    _rule(r"\b(?i:the) (?P<unit>(?i:week|weekend|month|year)) (?i:before last)\b", means.relative_unit(-2)),
    _rule(r"\b" + _PAST_WORD + r" (?i:weekend)\b", means.last_weekend),
    _rule(r"\b(?i:over|during|on|at) (?i:the) (?P<unit>(?i:weekend))\b", means.over_weekend),
    _rule(r"\b(?i:(?:the )?(?:end|beginning|start|middle)(?: of)?|earlier|later|early|"
        r"late) (?P<which>(?i:this|last|next)) " + _UNIT, means.end_of_unit),
    # Weekdays
    _rule(r"\b" + _PAST_WORD + r" " + _WEEKDAY + _PART_OF_DAY, means.last_weekday),
    _rule(r"\b(?i:next) " + _WEEKDAY + _PART_OF_DAY, means.next_weekday),
    _rule(r"\b(?i:this|(?:this )?coming) " + _WEEKDAY + _PART_OF_DAY, means.coming_weekday),
    _rule(r"\b(?i:on|since|by|until) " + _WEEKDAY + r"(?!s)" + _PART_OF_DAY, means.near_weekday),
    # Seasons
    _rule(r"\b(?P<which>(?i:last|this past|past|previous|this|next|over the|"
        r"during the)) " + _SEASON + r"\b", means.season_of),
    _rule(r"\b" + _SEASON + r"(?: (?i:of))? " + _YEAR, means.season_year, complete=True),
    # Months
    _rule(r"\b" + _PAST_WORD + r" " + _MONTH + r"\b", means.last_month_named),
    _rule(r"\b(?i:next) " + _MONTH + r"\b", means.next_month_named),
    _rule(r"\b(?i:in|this|since|until|by|during|around|through|"
        r"every day in) " + _MONTH + r"\b(?! \d)", means.month_without_year),
    _rule(r"\b(?i:early|late|mid|(?:(?:the )?(?:end|beginning|start|"
        r"middle) of))[ -]" + _MONTH + r"(?:,? " + _YEAR + r")?", means.part_of_month),
    _rule(r"\b(?P<nth>(?i:first|second|third|fourth|last)) (?P<unit>(?i:week|weekend)) (?i:of|"
        r"in) " + _MONTH + r"(?:,? " + _YEAR + r")?", means.nth_week),
    _rule(r"\b" + _MONTH + r",? (?i:of )?" + _YEAR, means.month_year, complete=True),
    # Dates
    _rule(r"\b" + _DAY_OF_MONTH + r" (?i:of )?" + _MONTH + r",? " + _YEAR, means.full_date, complete=True),
    _rule(r"\b" + _MONTH + r" (?i:the )?" + _DAY_OF_MONTH + r",? " + _YEAR, means.full_date, complete=True),
    _rule(r"\b" + _DAY_OF_MONTH + r" (?i:of )?" + _MONTH + r"\b(?!,? \d{4})", means.day_without_year),
    _rule(r"\b" + _MONTH + r" (?i:the )?" + _DAY_OF_MONTH + r"(?!,? \d{4})", means.day_without_year),
    _rule(
        r"(?<![\d/-])" + _YEAR + r"-(?P<number>[01]\d)-(?P<day>[0-3]\d)(?![\d-])",
        means.iso_date, complete=True),
    _rule(
        r"(?<![\d/.])(?P<one>[0-3]?\d)(?P<mark>[/.])(?P<two>[0-3]?\d)(?P=mark)" + _YEAR + r"(?![/.]\d)",
        means.numeric_date),
    _rule(r"\b(?i:on|since|until|by) (?i:the )(?P<day>[0-3]?\d)(?:st|nd|rd|th)\b(?! (?i:of|floor|grade|"
        r"street|birthday))", means.day_of_this_month),
    _rule(r"\b(?:(?P<which>(?i:last|this past|past|next|this)) )?(?P<fixed>(?i:christmas(?: eve| day)?|"
        r"boxing day|new year['’]s(?: eve| day)?|valentine['’]s(?: day)?|halloween|independence day|"
        r"april fools['’] day|st patrick['’]s day))\b(?! (?i:tree|party|gift|present|card|market|song|"
        r"movie))", means.fixed_day),
    # Years and stretches that reach to today
    _rule(r"\b(?i:in|since|back in|from|until|by|around|during|"
        r"year) " + _YEAR + r"(?!-\d)", means.plain_year, complete=True),
    _rule(r"\b(?i:for )(?i:about |around |over |almost |nearly |the (?:past|"
        r"last) )?" + _N + r" (?P<unit>(?i:month|year|decade))s?\b(?: (?i:now|already))?", means.held_for),
    _rule(r"\b" + _N + r" (?P<unit>(?i:month|year|decade))s?,? (?i:now|already)\b", means.held_for),
)  # fmt: skip
"""The rules whose pattern names a time."""

JUST_NOW: Final = re.compile(r"\b(?i:just)(?= (?P<verb>[a-z]{2,20})\b)")
"""What tells a time only if nothing else in the sentence does: "I just moved"."""
