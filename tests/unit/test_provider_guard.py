"""What every call to a provider is promised: retried only where that helps, bounded, stopped at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mnemon_service.model.errors import (
    FailedPrecondition,
    Internal,
    MnemonError,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from mnemon_service.providers.retry import (
    FaultKind,
    ProviderFault,
    ProviderGuard,
    fault_from_status,
    retry_after_seconds,
)


class Refused(Exception):
    def __init__(self, status: int, **headers: str) -> None:
        super().__init__("secret body")
        self.fault = fault_from_status(
            status, {name.replace("_", "-"): value for name, value in headers.items()}
        )


def classify(error: Exception) -> ProviderFault:
    assert isinstance(error, Refused)
    return error.fault


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


class Script:
    """A provider that fails as told and then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def guard(
    clock: Clock, *, attempts: int = 3, breaker_failures: int = 5, concurrency: int = 4
) -> ProviderGuard:
    return ProviderGuard(
        "acme",
        timeout=5,
        attempts=attempts,
        concurrency=concurrency,
        breaker_failures=breaker_failures,
        breaker_seconds=30,
        sleep=clock.sleep,
        clock=clock,
    )


async def test_a_good_answer_counts_one_try() -> None:
    guarded = await guard(Clock()).call(Script(), classify)
    assert (guarded.value, guarded.attempts, guarded.failed) == ("answer", 1, 0)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
async def test_passing_trouble_is_tried_again_and_the_failed_tries_are_counted(status: int) -> None:
    clock = Clock()
    guarded = await guard(clock).call(Script(Refused(status), Refused(status)), classify)
    assert (guarded.value, guarded.attempts, guarded.failed) == ("answer", 3, 2)
    assert len(clock.sleeps) == 2
    assert guarded.milliseconds == pytest.approx(clock.now * 1000)


@pytest.mark.parametrize(
    ("status", "expected"), [(401, FailedPrecondition), (403, FailedPrecondition), (400, Unavailable)]
)
async def test_a_refusal_is_not_tried_again(status: int, expected: type[MnemonError]) -> None:
    script = Script(Refused(status))
    with pytest.raises(expected) as caught:
        await guard(Clock()).call(script, classify)
    assert script.calls == 1
    assert caught.value.retry_after is None
    assert caught.value.metadata == {"provider": "acme", "failed_calls": "1"}
    assert "acme" in caught.value.message
    assert "secret" not in caught.value.message


async def test_retry_after_is_honoured_between_tries() -> None:
    clock = Clock()
    await guard(clock).call(Script(Refused(429, retry_after="7")), classify)
    assert 7 <= clock.sleeps[0] <= 7.7


async def test_a_wait_longer_than_we_would_wait_is_given_to_the_caller() -> None:
    clock = Clock()
    script = Script(Refused(429, retry_after="90"))
    with pytest.raises(ResourceExhausted) as caught:
        await guard(clock).call(script, classify)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.PROVIDER_RATE_LIMITED, 90)
    assert (script.calls, clock.sleeps) == (1, [])


async def test_after_the_last_try_the_error_says_how_many_were_spent() -> None:
    with pytest.raises(Unavailable) as caught:
        await guard(Clock()).call(Script(*[Refused(503) for _ in range(9)]), classify)
    assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert caught.value.metadata["failed_calls"] == "3"


async def test_the_breaker_pauses_a_dead_provider_and_lets_one_trial_through() -> None:
    clock = Clock()
    guarded_provider = guard(clock, attempts=1, breaker_failures=2)
    dead = Script(*[Refused(503) for _ in range(3)])
    for _ in range(2):
        with pytest.raises(Unavailable):
            await guarded_provider.call(dead, classify)
    with pytest.raises(Unavailable, match="not called for now") as caught:
        await guarded_provider.call(dead, classify)
    assert (dead.calls, caught.value.retry_after, guarded_provider.is_paused) == (2, 30, True)
    clock.now += 30
    with pytest.raises(Unavailable, match="HTTP 503"):
        await guarded_provider.call(dead, classify)
    with pytest.raises(Unavailable, match="not called for now"):
        await guarded_provider.call(dead, classify)
    clock.now += 30
    assert (await guarded_provider.call(dead, classify)).value == "answer"
    assert not guarded_provider.is_paused


async def test_while_the_trial_runs_all_others_are_refused_and_its_cancellation_frees_the_place() -> None:
    clock = Clock()
    guarded_provider = guard(clock, attempts=1, breaker_failures=1)
    with pytest.raises(Unavailable):
        await guarded_provider.call(Script(Refused(500)), classify)
    clock.now += 30
    running = asyncio.Event()

    async def hang() -> None:
        running.set()
        await asyncio.Event().wait()

    trial = asyncio.create_task(guarded_provider.call(hang, classify))
    await running.wait()
    with pytest.raises(Unavailable, match="not called for now"):
        await guarded_provider.call(Script(), classify)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert (await guarded_provider.call(Script(), classify)).value == "answer"


async def test_refusals_do_not_pause_a_provider_that_is_up() -> None:
    guarded_provider = guard(Clock(), attempts=1, breaker_failures=2)
    for _ in range(5):
        with pytest.raises(FailedPrecondition):
            await guarded_provider.call(Script(Refused(401)), classify)
    assert not guarded_provider.is_paused


async def test_a_slow_try_is_cut_off_and_counts_as_passing_trouble() -> None:
    impatient = ProviderGuard(
        "acme", timeout=0.01, attempts=1, concurrency=1, breaker_failures=5, breaker_seconds=30
    )

    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match=r"no answer within 0\.01 s"):
        await impatient.call(hang, classify)


@pytest.mark.parametrize("while_waiting", [False, True])
async def test_a_cancelled_call_stops_at_once(while_waiting: bool) -> None:
    reached = asyncio.Event()
    calls = 0

    async def forever(_seconds: float = 0) -> None:
        reached.set()
        await asyncio.Event().wait()

    async def function() -> None:
        nonlocal calls
        calls += 1
        if while_waiting:
            raise Refused(503)
        await forever()

    patient = ProviderGuard(
        "acme", timeout=5, attempts=3, concurrency=1, breaker_failures=5, breaker_seconds=30, sleep=forever
    )
    task = asyncio.create_task(patient.call(function, classify))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == 1


async def test_calls_in_flight_are_bounded() -> None:
    bounded = guard(Clock(), concurrency=3)
    most = now = 0
    door = asyncio.Event()

    async def function() -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        if now == 3:
            door.set()
        await door.wait()
        now -= 1

    await asyncio.gather(*(bounded.call(function, classify) for _ in range(10)))
    assert most == 3


async def test_an_error_of_ours_passes_unchanged_and_is_not_tried_again() -> None:
    script = Script(Internal("unusable", reason=Reason.PROVIDER_ANSWER_UNUSABLE))
    with pytest.raises(Internal) as caught:
        await guard(Clock()).call(script, classify)
    assert (script.calls, caught.value.reason) == (1, Reason.PROVIDER_ANSWER_UNUSABLE)


def test_the_wait_is_read_from_numbers_and_dates() -> None:
    assert retry_after_seconds({"Retry-After": "3"}) == 3
    assert retry_after_seconds({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    waited = retry_after_seconds({"retry-after": soon})
    assert waited is not None
    assert 95 < waited <= 100
    for nonsense in ("", "soon", "-4", "nan", "inf"):
        assert retry_after_seconds({"retry-after": nonsense}) is None


def test_statuses_are_sorted_into_kinds() -> None:
    assert [fault_from_status(status, {}).kind for status in (400, 401, 403, 404, 408, 429, 500, 503)] == [
        FaultKind.BAD_REQUEST,
        FaultKind.CREDENTIALS,
        FaultKind.CREDENTIALS,
        FaultKind.BAD_REQUEST,
        FaultKind.TRANSIENT,
        FaultKind.RATE_LIMITED,
        FaultKind.TRANSIENT,
        FaultKind.TRANSIENT,
    ]
