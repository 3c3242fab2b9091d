"""Expressions of time mean a day, week, month, season or year, counted from when they were said."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.memory.extraction import dates, foreign_dates
from mnemon_service.model.memory import Precision

THURSDAY = date(2023, 5, 25)


def resolved(text: str, said_on: date = THURSDAY) -> list[str]:
    return [f"{phrase.moment.first}/{phrase.moment.precision}" for phrase in dates.find(text, said_on)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I ran today", "2023-05-25/DAY"),
        ("we danced last night", "2023-05-24/DAY"),
        ("I went there yesterday morning", "2023-05-24/DAY"),
        ("the day before yesterday I fell", "2023-05-23/DAY"),
        ("I ran on 12 October", "2022-10-12/DAY"),
        ("I will run on 12 October", "2023-10-12/DAY"),
        ("21 kilometres on 12 October.", "2023-10-12/DAY"),
        ("The wedding: 3 January.", "2023-01-03/DAY"),
        ("My birthday is 20 December", "2022-12-20/DAY"),
        ("see you tomorrow", "2023-05-26/DAY"),
        ("the day after tomorrow we leave", "2023-05-27/DAY"),
        ("an hour ago it rang", "2023-05-25/DAY"),
        ("three days ago", "2023-05-22/DAY"),
        ("a couple of days ago", "2023-05-23/DAY"),
        ("two weeks ago", "2023-05-08/WEEK"),
        ("two weekends ago", "2023-05-13/WEEK"),
        ("six months ago", "2022-11-01/MONTH"),
        ("five years ago", "2018-01-01/YEAR"),
        ("in two days", "2023-05-27/DAY"),
        ("a month from now", "2023-06-01/MONTH"),
        ("a few days ago", "2023-05-22/WEEK"),
        ("last week", "2023-05-15/WEEK"),
        ("this week", "2023-05-22/WEEK"),
        ("next week", "2023-05-29/WEEK"),
        ("the week before last", "2023-05-08/WEEK"),
        ("this past weekend", "2023-05-20/WEEK"),
        ("this weekend", "2023-05-27/WEEK"),
        ("we camped over the weekend", "2023-05-20/WEEK"),
        ("last month", "2023-04-01/MONTH"),
        ("later this month", "2023-05-01/MONTH"),
        ("last year", "2022-01-01/YEAR"),
        ("at the end of next year", "2024-01-01/YEAR"),
        ("last Saturday", "2023-05-20/DAY"),
        ("last Thursday", "2023-05-18/DAY"),
        ("last Fri it rained", "2023-05-19/DAY"),
        ("next Friday", "2023-06-02/DAY"),
        ("this Friday", "2023-05-26/DAY"),
        ("On Friday I won", "2023-05-19/DAY"),
        ("On Friday I will play", "2023-05-26/DAY"),
        ("last summer", "2022-06-01/SEASON"),
        ("next winter", "2023-12-01/SEASON"),
        ("in summer 2021", "2021-06-01/SEASON"),
        ("last August", "2022-08-01/MONTH"),
        ("next May", "2024-05-01/MONTH"),
        ("in March", "2023-03-01/MONTH"),
        ("in March I will move", "2024-03-01/MONTH"),
        ("early August, 2021", "2021-08-01/MONTH"),
        ("the first weekend of August 2023", "2023-08-05/WEEK"),
        ("the last week of September 2023", "2023-09-25/WEEK"),
        ("in May 2019", "2019-05-01/MONTH"),
        ("on 7 May 2023", "2023-05-07/DAY"),
        ("on May 7th, 2023", "2023-05-07/DAY"),
        ("the 7th of May", "2023-05-07/DAY"),
        ("on June 3 we married", "2022-06-03/DAY"),
        ("2023-05-07", "2023-05-07/DAY"),
        ("on 25/12/2022", "2022-12-25/DAY"),
        ("on the 15th", "2023-05-15/DAY"),
        ("last Christmas", "2022-12-25/DAY"),
        ("we danced on Halloween", "2022-10-31/DAY"),
        ("back in 2016", "2016-01-01/YEAR"),
        ("I have known them for 4 years", "2019-01-01/YEAR"),
        ("Seven years now, and counting", "2016-01-01/YEAR"),
        ("I just moved", "2023-05-22/WEEK"),
    ],
)
def test_a_phrase_means_a_unit_of_the_calendar(text: str, expected: str) -> None:
    assert resolved(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "a few years ago", "the other day", "recently", "on 5/6/2023", "I may go", "we march on",
        "31 June was never", "we walked for 4 years in the film", "I fall often", "at room 2019",
        'she said "see you tomorrow"', "the sun sat low",
    ],
)  # fmt: skip
def test_what_is_open_stays_open(text: str) -> None:
    assert resolved(text) == []


def test_each_clause_has_its_own_tense() -> None:
    assert resolved("We married in April and will move in April.", date(2023, 6, 1)) == [
        "2023-04-01/MONTH",
        "2024-04-01/MONTH",
    ]


def test_the_moment_is_written_in_words_and_kept_as_the_first_instant() -> None:
    (phrase,) = dates.find("It was last week.", THURSDAY)
    assert phrase.moment.wording == "week of 15 May 2023"
    assert phrase.moment.event_time.time == datetime(2023, 5, 15, tzinfo=UTC)
    assert phrase.moment.event_time.precision is Precision.WEEK


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Gestern war ich müde", "2023-05-24/DAY"),
        ("de", "vor zwei Wochen", "2023-05-08/WEEK"),
        ("de", "letztes Jahr", "2022-01-01/YEAR"),
        ("de", "am 3. Mai 2022", "2022-05-03/DAY"),
        ("es", "hace tres días", "2023-05-22/DAY"),
        ("es", "el mes pasado", "2023-04-01/MONTH"),
        ("fr", "il y a deux ans", "2021-01-01/YEAR"),
        ("it", "la settimana scorsa", "2023-05-15/WEEK"),
        ("pt", "ontem", "2023-05-24/DAY"),
        ("nl", "twee weken geleden", "2023-05-08/WEEK"),
        ("ru", "в прошлом месяце", "2023-04-01/MONTH"),
        ("zh", "三天前", "2023-05-22/DAY"),
        ("zh", "上个星期", "2023-05-15/WEEK"),
        ("ja", "おととい", "2023-05-23/DAY"),
        ("ja", "2021年4月", "2021-04-01/MONTH"),
        ("ko", "지난달", "2023-04-01/MONTH"),
    ],
)
def test_other_languages_are_resolved_by_the_library(language: str, text: str, expected: str) -> None:
    found = foreign_dates.find(text, language, THURSDAY)
    assert [f"{phrase.moment.first}/{phrase.moment.precision}" for phrase in found] == [expected]


@given(
    st.dates(), st.integers(0, 999), st.sampled_from(["day", "week", "weekend", "month", "year", "decade"])
)
def test_no_distance_leads_out_of_the_calendar_with_an_error(said_on: date, count: int, unit: str) -> None:
    dates.find(f"{count} {unit}s ago and in {count} {unit}s", said_on)


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(1, 300))
def test_days_ago_count_days(said_on: date, count: int) -> None:
    (phrase,) = dates.find(f"It was {count} days ago", said_on)
    assert (said_on - phrase.moment.first).days == count
