"""Rates and places: what a project or a key may do at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.errors import Reason, ResourceExhausted
from mnemon_service.model.settings import Limits
from mnemon_service.server.quotas import effective
from mnemon_service.server.rates import (
    LONGEST_BACKLOG_SECONDS,
    LONGEST_TURN_SECONDS,
    REFUSAL_BURST,
    REFUSALS_PER_SECOND,
    Subject,
)


def ask(subject: Subject, rate: float, now: float) -> float:
    """0 if the request is admitted, else the seconds to wait."""
    try:
        subject.take_token(rate, now)
    except ResourceExhausted as refused:
        assert refused.reason is Reason.RATE_LIMITED
        assert refused.metadata == {"limit": "project.requests_per_second"}
        assert refused.retry_after is not None
        return refused.retry_after
    return 0.0


def test_a_burst_of_two_seconds_then_the_rate() -> None:
    subject = Subject("project")
    assert [ask(subject, 5, 100.0) > 0 for _ in range(11)] == [False] * 10 + [True]
    assert [ask(subject, 5, 101.0) > 0 for _ in range(6)] == [False] * 5 + [True]


def test_the_wait_that_is_named_suffices() -> None:
    subject = Subject("project")
    for _ in range(2):
        ask(subject, 1, 7.0)
    wait = ask(subject, 1, 7.25)
    assert wait == pytest.approx(0.75)
    assert ask(subject, 1, 7.25 + wait + 1e-6) == 0


@given(
    rate=st.floats(0.1, 1000),
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=300),
)
def test_never_more_than_the_rate_and_one_burst(rate: float, pauses: list[float]) -> None:
    subject, now, admitted = Subject("project"), 50.0, 0
    for pause in pauses:
        now += pause
        admitted += ask(subject, rate, now) == 0
    assert admitted <= max(1, 2 * rate) + rate * (now - 50.0) + 1e-6


def test_a_rate_of_zero_admits_nothing() -> None:
    assert ask(Subject("project"), 0, 1.0) == 3600


@pytest.mark.parametrize("streaming", [False, True])
def test_places_are_limited_and_given_back(streaming: bool) -> None:
    subject = Subject("key")
    limits = Limits(concurrent_calls=1, concurrent_streams=1)
    subject.require_place(limits, streaming=streaming)
    subject.enter(streaming=streaming)
    with pytest.raises(ResourceExhausted) as refused:
        subject.require_place(limits, streaming=streaming)
    assert refused.value.reason is Reason.TOO_MANY_CONCURRENT_CALLS
    assert refused.value.metadata["limit"] == f"key.concurrent_{'streams' if streaming else 'calls'}"
    subject.require_place(limits, streaming=not streaming)
    subject.leave(streaming=streaming)
    subject.require_place(limits, streaming=streaming)
    assert subject.is_idle


def test_zero_is_a_limit_and_absence_is_the_default() -> None:
    default = Limits(requests_per_second=7, adds_per_day=9)
    assert effective(Limits(adds_per_day=0), default) == Limits(requests_per_second=7, adds_per_day=0)


def test_callers_who_were_refused_together_are_told_to_come_back_one_after_the_other() -> None:
    subject = Subject("project")
    waits = [wait for _ in range(30) if (wait := ask(subject, 10, 100.0))]
    assert waits == [pytest.approx(place / 10) for place in range(1, 11)]
    admitted = [ask(subject, 10, 100.0 + wait + 1e-6) == 0 for wait in waits]
    assert all(admitted), "who heeds it is admitted"


def test_nobody_is_told_to_wait_longer_than_half_a_minute_for_others() -> None:
    subject = Subject("project")
    waits = [ask(subject, 2, 100.0) for _ in range(500)]
    assert max(waits) == LONGEST_TURN_SECONDS
    slow = Subject("project", level=0.0)
    assert ask(slow, 0.01, 1.0) == pytest.approx(99.0), "unless one token takes longer"


def test_refusals_are_heard_at_once_until_there_were_many_and_then_at_a_pace() -> None:
    subject = Subject("project")
    pauses = [subject.refusal_pause(100.0) for _ in range(REFUSAL_BURST + 10)]
    assert pauses[:REFUSAL_BURST] == [pytest.approx(0.0)] * REFUSAL_BURST
    assert pauses[REFUSAL_BURST:] == [pytest.approx(place / REFUSALS_PER_SECOND) for place in range(1, 11)]
    assert subject.refusal_pause(200.0) == 0, "who waited is forgiven"


@given(st.integers(1, 100_000))
def test_no_backlog_of_refusals_holds_up_a_caller_for_ever(refused: int) -> None:
    subject = Subject("project", refused_until=100.0 + refused)
    subject.refusal_pause(100.0)
    assert subject.refusal_pause(100.0 + LONGEST_BACKLOG_SECONDS) <= 1 / REFUSALS_PER_SECOND
