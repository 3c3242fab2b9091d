"""Times named in a question become the windows a reader would mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.search.ranking.time_expressions import TimeWindow, time_windows

WEDNESDAY = datetime(2023, 10, 18, 15, 30, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("What happened in May 2023?", "2023-05-01", "2023-06-01"),
        ("What did I do on 7 May?", "2023-05-07", "2023-05-08"),
        ("Where was I on May 7th, 2022?", "2022-05-07", "2022-05-08"),
        ("the 7th of May", "2023-05-07", "2023-05-08"),
        ("on 24 December", "2022-12-24", "2022-12-25"),
        ("on 29 February", "2020-02-29", "2020-03-01"),
        ("on 2023-05-07", "2023-05-07", "2023-05-08"),
        ("in 2023-05", "2023-05-01", "2023-06-01"),
        ("in 2022", "2022-01-01", "2023-01-01"),
        ("in September", "2023-09-01", "2023-10-01"),
        ("in November", "2022-11-01", "2022-12-01"),
        ("last October", "2022-10-01", "2022-11-01"),
        ("last spring", "2023-03-01", "2023-06-01"),
        ("last autumn", "2022-09-01", "2022-12-01"),
        ("in the summer", "2023-06-01", "2023-09-01"),
        ("the summer of 2021", "2021-06-01", "2021-09-01"),
        ("winter 2022", "2022-12-01", "2023-03-01"),
        ("last Christmas", "2022-12-25", "2022-12-26"),
        ("yesterday", "2023-10-17", "2023-10-18"),
        ("the day before yesterday", "2023-10-16", "2023-10-17"),
        ("last night", "2023-10-17", "2023-10-18"),
        ("this morning", "2023-10-18", "2023-10-19"),
        ("tomorrow", "2023-10-19", "2023-10-20"),
        ("three days ago", "2023-10-15", "2023-10-16"),
        ("two weeks ago", "2023-10-01", "2023-10-08"),
        ("a month ago", "2023-09-01", "2023-10-01"),
        ("4 years ago", "2019-01-01", "2020-01-01"),
        ("in the last three weeks", "2023-09-24", "2023-10-19"),
        ("last week", "2023-10-09", "2023-10-16"),
        ("this week", "2023-10-16", "2023-10-23"),
        ("last weekend", "2023-10-14", "2023-10-16"),
        ("next month", "2023-11-01", "2023-12-01"),
        ("last year", "2022-01-01", "2023-01-01"),
        ("last Monday", "2023-10-16", "2023-10-17"),
        ("on Wednesday", "2023-10-11", "2023-10-12"),
        ("next Wednesday", "2023-10-25", "2023-10-26"),
        ("between May 2023 and July 2023", "2023-05-01", "2023-08-01"),
        ("from May until June", "2023-05-01", "2023-07-01"),
        ("from 2020 to 2021", "2020-01-01", "2022-01-01"),
        ("in the week before 16 November 2022", "2022-11-09", "2022-11-16"),
        ("the day before May 7, 2023", "2023-05-06", "2023-05-07"),
        ("two weeks before August 11, 2023", "2023-07-25", "2023-08-01"),
        ("3 days after May 7, 2023", "2023-05-11", "2023-05-12"),
        ("on the Sunday before October 25, 2022", "2022-10-23", "2022-10-24"),
        ("the weekend after May 7, 2023", "2023-05-13", "2023-05-15"),
    ],
)
def test_a_named_time_is_this_window(question: str, start: str, end: str) -> None:
    (window,) = time_windows(question, WEDNESDAY)
    assert (window.start, window.end) == (day(start), day(end))
    assert window.text in question


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("before May 2023", None, "2023-05-01"),
        ("since March", "2023-03-01", None),
        ("after the 5th of June 2023", "2023-06-06", None),
        ("until June", None, "2023-07-01"),
    ],
)
def test_an_opening_word_opens_the_window_to_one_side(
    question: str, start: str | None, end: str | None
) -> None:
    (window,) = time_windows(question, WEDNESDAY)
    assert window.start == (day(start) if start else None)
    assert window.end == (day(end) if end else None)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "May I ask you?",
        "March on!",
        "Did he fall in love?",
        "on 31 February 2023",
        "code 20235",
        "Summer's dog",
    ],
)
def test_plain_words_and_impossible_dates_name_no_time(question: str) -> None:
    assert time_windows(question, WEDNESDAY) == ()


def test_two_times_give_two_windows_in_the_order_of_the_text() -> None:
    windows = time_windows("Was it in May 2023 or in June 2022?", WEDNESDAY)
    assert [window.text for window in windows] == ["May 2023", "June 2022"]


def test_now_is_taken_in_utc_whatever_zone_it_comes_in() -> None:
    late = datetime(2023, 10, 18, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert time_windows("today", late) == (TimeWindow(day("2023-10-19"), day("2023-10-20"), "today"),)
    assert time_windows("today", datetime(2023, 10, 18, 1)) == time_windows("today", WEDNESDAY)


vocabulary = (
    "last next this in before since between and of the two 999 7 31 2023 0001 -05 May spring week days years"
    " month ago Monday yesterday Christmas"
)
expressions = st.sampled_from(vocabulary.split())


@given(
    st.lists(expressions, max_size=8).map(" ".join) | st.text(max_size=60),
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)),
)
def test_any_text_at_any_time_gives_windows_that_begin_before_they_end(text: str, now: datetime) -> None:
    for window in time_windows(text, now):
        assert window.start is None or window.end is None or window.start < window.end
