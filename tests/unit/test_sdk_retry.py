"""Calls are tried again only where it is safe and can help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon import (
    DeadlineExceededError,
    MnemonError,
    NotFoundError,
    RateLimitedError,
    ResourceExhaustedError,
    RetryPolicy,
    UnavailableError,
)
from mnemon._resume import Resumption
from mnemon._retry import Tries, may_resume, may_retry


@pytest.mark.parametrize(
    ("error", "safe", "retried"),
    [
        (UnavailableError("x"), True, True),
        (UnavailableError("x"), False, False),
        (RateLimitedError("x", retry_after=0.1), False, True),
        (ResourceExhaustedError("x"), True, False),
        (NotFoundError("x"), True, False),
        (DeadlineExceededError("x"), True, False),
    ],
)
def test_what_is_tried_again(error: MnemonError, safe: bool, retried: bool) -> None:
    assert may_retry(error, safe=safe) is retried


def test_a_reader_that_was_too_slow_may_resume() -> None:
    assert may_resume(ResourceExhaustedError("x", reason="WATCHER_TOO_SLOW"))
    assert not may_resume(NotFoundError("x"))


@given(st.integers(1, 50))
def test_delays_grow_to_a_bound_with_jitter(failures: int) -> None:
    policy = RetryPolicy(first_delay=0.1, largest_delay=5.0)
    step = min(5.0, 0.1 * 2 ** (failures - 1))
    assert step / 2 <= policy.delay(failures, None) <= step


@given(st.floats(0.0, 100.0))
def test_a_delay_is_never_shorter_than_the_server_asked_for(asked: float) -> None:
    assert asked <= RetryPolicy().delay(1, asked) <= asked * 1.1 + 0.1


def test_the_last_error_is_raised_when_the_tries_are_used_up() -> None:
    tries = Tries(RetryPolicy(attempts=3), timeout=60, safe=True)
    error = UnavailableError("x")
    assert tries.next_delay(error) > 0
    assert tries.next_delay(error) > 0
    with pytest.raises(UnavailableError):
        tries.next_delay(error)


def test_a_wait_that_outlasts_the_deadline_is_not_begun() -> None:
    tries = Tries(RetryPolicy(), timeout=5, safe=True)
    with pytest.raises(RateLimitedError):
        tries.next_delay(RateLimitedError("x", retry_after=3600))


def test_each_try_gets_what_is_left_of_the_deadline() -> None:
    tries = Tries(RetryPolicy(), timeout=5, safe=True)
    left = tries.remaining()
    assert left is not None
    assert 4 < left <= 5
    assert Tries(RetryPolicy(), timeout=None, safe=True).remaining() is None
    past = Tries(RetryPolicy(), timeout=-1, safe=True).remaining()
    assert past is not None
    assert past > 0


def test_a_stream_is_given_up_when_patience_ends_and_progress_renews_it() -> None:
    impatient = Resumption(RetryPolicy(), patience=0)
    with pytest.raises(UnavailableError):
        impatient.delay_after(UnavailableError("x"))
    patient = Resumption(RetryPolicy(first_delay=1, largest_delay=64), patience=60)
    for _ in range(6):
        patient.delay_after(UnavailableError("x"))
    assert patient.delay_after(UnavailableError("x")) >= 32
    patient.progressed()
    assert patient.delay_after(UnavailableError("x")) <= 1
    with pytest.raises(NotFoundError):
        patient.delay_after(NotFoundError("x"))
