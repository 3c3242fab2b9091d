"""One guard around every call that leaves the house: timeout, retries, circuit breaker, bounded calls."""

from __future__ import annotations

import asyncio
import enum
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from mnemon_service.model.errors import (
    FailedPrecondition,
    MnemonError,
    Reason,
    ResourceExhausted,
    Unavailable,
)

T = TypeVar("T")

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0
LONGEST_HONOURED_WAIT_SECONDS = 20.0
"""A provider that asks for more than this is not waited for: its caller is told the time instead."""
TIMEOUTS_OF_A_STREAM = 10
"""A streamed answer may take so many timeouts in all: ten minutes with the default, or 8,192 tokens of a
slow local model at 14 a second."""

_log = structlog.get_logger(__name__)


class FaultKind(enum.Enum):
    """What a failed try means for the next one."""

    CREDENTIALS = "credentials"
    """401, 403: never retried; becomes FailedPrecondition, PROVIDER_CREDENTIALS."""
    RATE_LIMITED = "rate limited"
    """429: retried after the time asked for; becomes ResourceExhausted, PROVIDER_RATE_LIMITED."""
    TRANSIENT = "transient"
    """5xx, connection lost, timed out: retried and counted by the breaker; becomes Unavailable."""
    BAD_REQUEST = "bad request"
    """Any other refusal: the same request would be refused again; becomes Unavailable without a time."""


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """One failed try, as its adapter understood it."""

    kind: FaultKind
    retry_after: float | None = None
    """Seconds the provider asked to wait, if it did."""
    detail: str = ""
    """A few words that are safe to show, such as `HTTP 503`; never the provider's own text, which may
    repeat the request or the key."""


@dataclass(frozen=True, slots=True)
class Guarded(Generic[T]):
    """A value and what it took to get it."""

    value: T
    attempts: int
    """Tries made, the good one included."""
    failed: int
    """Tries that failed before it."""
    milliseconds: float
    """Wall time of all tries and the waits between them, without the wait for a free place."""


class _FailedTry(Exception):
    def __init__(self, fault: ProviderFault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def fault_from_status(status: int, headers: Mapping[str, str]) -> ProviderFault:
    """The fault that an HTTP status of 400 or more stands for, with the wait its headers ask for."""
    detail = f"HTTP {status}"
    wait = retry_after_seconds(headers)
    if status in (401, 403):
        return ProviderFault(FaultKind.CREDENTIALS, detail=detail)
    if status == 429:
        return ProviderFault(FaultKind.RATE_LIMITED, wait, detail)
    if status in (408, 409) or status >= 500:
        return ProviderFault(FaultKind.TRANSIENT, wait, detail)
    return ProviderFault(FaultKind.BAD_REQUEST, detail=detail)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` or `Retry-After` (RFC 9110 §10.2.3: a number or a date), else None."""
    found = {name.lower(): value.strip() for name, value in headers.items()}
    milliseconds = _number(found.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = found.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


class CircuitBreaker:
    """Stops calling a provider that failed `failures` times in a row, for `seconds`.

    After that one try is let through: if it succeeds all may pass again, if it fails the pause
    starts anew. Only transient faults count: a refusal shows that the provider is up.
    """

    def __init__(
        self, provider: str, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._provider = provider
        self._failures = failures
        self._seconds = seconds
        self._clock = clock
        self._in_a_row = 0
        self._open_until: float | None = None
        self._trial = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused now (or only one trial is let through)."""
        return self._open_until is not None

    def admit(self) -> float | None:
        """None if a try may pass, else the seconds until asking again makes sense."""
        if self._open_until is None:
            return None
        left = self._open_until - self._clock()
        if left > 0 or self._trial:
            return max(left, 1.0)
        self._trial = True
        return None

    def succeeded(self) -> None:
        """The provider answered."""
        if self._open_until is not None:
            _log.info("provider answers again", provider=self._provider)
        self._in_a_row = 0
        self._open_until = None
        self._trial = False

    def failed(self) -> None:
        """The provider did not answer."""
        self._in_a_row += 1
        if self._trial or self._in_a_row >= self._failures:
            if self._open_until is None:
                _log.warning("provider paused", provider=self._provider, seconds=self._seconds)
            self._open_until = self._clock() + self._seconds
        self._trial = False

    def abandoned(self) -> None:
        """The try was cancelled and says nothing about the provider."""
        self._trial = False


class ProviderGuard:
    """Calls one provider safely. One guard for each adapter; every try goes through `call`.

    Args:
        provider: the name that errors show, as in settings.
        timeout: seconds a single try may take.
        attempts: tries in all, at least 1.
        concurrency: tries in flight at once; further ones wait for a place, first come first served.
            No place is held while a call waits between two tries.
        breaker_failures: failed tries in a row, over all calls, after which the provider is paused.
        breaker_seconds: length of that pause.
        sleep, clock: replaced by tests that must not wait.
    """

    def __init__(
        self,
        provider: str,
        *,
        timeout: float,
        attempts: int,
        concurrency: int,
        breaker_failures: int,
        breaker_seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self._timeout = timeout
        self._attempts = attempts
        self._places = asyncio.Semaphore(concurrency)
        self._breaker = CircuitBreaker(provider, breaker_failures, breaker_seconds, clock)
        self._sleep = sleep
        self._clock = clock
        self._backoff = wait_random_exponential(multiplier=FIRST_BACKOFF_SECONDS, max=LONGEST_BACKOFF_SECONDS)

    @property
    def timeout(self) -> float:
        """Seconds a single try may take; of a streamed answer, each of its parts."""
        return self._timeout

    @property
    def is_paused(self) -> bool:
        """Whether the circuit breaker is open."""
        return self._breaker.is_open

    async def call(
        self,
        function: Callable[[], Awaitable[T]],
        classify: Callable[[Exception], ProviderFault],
        *,
        streamed: bool = False,
    ) -> Guarded[T]:
        """The value of `function()`, tried again where that is safe and may help.

        `classify` reads the SDK's exceptions; it is not asked about timeouts of ours, nor about a
        `MnemonError` of `function` (an unusable answer), which passes unchanged and is not retried.
        A cancelled call stops at once. `streamed` says that `function` itself ends where no part comes
        for `timeout`; a try may then take `TIMEOUTS_OF_A_STREAM` times as long.

        Raises:
            FailedPrecondition: PROVIDER_CREDENTIALS.
            ResourceExhausted: PROVIDER_RATE_LIMITED, with `retry_after` if the provider gave one.
            Unavailable: PROVIDER_UNAVAILABLE; also while the breaker is open.
            All three carry `metadata["failed_calls"]`, the tries this call spent.
        """
        tally = _Tally()
        seconds = self._timeout * (TIMEOUTS_OF_A_STREAM if streamed else 1)

        async def attempt() -> T:
            async with self._place(tally):
                return await self._attempt(function, classify, seconds)

        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_after_attempt(self._attempts),
            wait=self._wait,
            retry=retry_if_exception(_may_help),
            reraise=True,
        )
        started = self._clock()
        try:
            value: T = await retrying(attempt)
        except _FailedTry as last:
            raise self._error(last.fault, tally.tries) from last.__cause__
        milliseconds = (self._clock() - started - tally.queued) * 1000
        return Guarded(value, tally.tries, tally.tries - 1, milliseconds)

    @asynccontextmanager
    async def _place(self, tally: _Tally) -> AsyncIterator[None]:
        waited_from = self._clock()
        async with self._places:
            tally.queued += self._clock() - waited_from
            paused_for = self._breaker.admit()
            if paused_for is not None:
                raise Unavailable(
                    f"{self.provider} failed repeatedly and is not called for now",
                    reason=Reason.PROVIDER_UNAVAILABLE,
                    retry_after=paused_for,
                    metadata={"provider": self.provider, "failed_calls": str(tally.tries)},
                )
            tally.tries += 1
            yield

    async def _attempt(
        self,
        function: Callable[[], Awaitable[T]],
        classify: Callable[[Exception], ProviderFault],
        seconds: float,
    ) -> T:
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                value = await function()
        except MnemonError:
            self._breaker.succeeded()
            raise
        except Exception as error:
            if deadline.expired():
                fault = ProviderFault(FaultKind.TRANSIENT, detail=f"no answer within {seconds:g} s")
            else:
                fault = classify(error)
            if fault.kind is FaultKind.TRANSIENT:
                self._breaker.failed()
            else:
                self._breaker.succeeded()
            raise _FailedTry(fault) from error
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        return value

    def _wait(self, state: RetryCallState) -> float:
        """Full jitter (AWS, "Exponential backoff and jitter"), but never less than was asked for."""
        outcome = state.outcome
        error = outcome.exception() if outcome is not None else None
        asked = error.fault.retry_after if isinstance(error, _FailedTry) else None
        if asked is None:
            return self._backoff(state)
        return asked * random.uniform(1.0, 1.1)

    def _error(self, fault: ProviderFault, tries: int) -> MnemonError:
        metadata = {"provider": self.provider, "failed_calls": str(tries)}
        because = f" ({fault.detail})" if fault.detail else ""
        match fault.kind:
            case FaultKind.CREDENTIALS:
                return FailedPrecondition(
                    f"{self.provider} refused the credentials it was given{because}",
                    reason=Reason.PROVIDER_CREDENTIALS,
                    metadata=metadata,
                )
            case FaultKind.RATE_LIMITED:
                return ResourceExhausted(
                    f"{self.provider} limits our rate{because}",
                    reason=Reason.PROVIDER_RATE_LIMITED,
                    retry_after=fault.retry_after,
                    metadata=metadata,
                )
            case FaultKind.BAD_REQUEST:
                message = f"{self.provider} refused the request{because}"
            case FaultKind.TRANSIENT:
                message = f"{self.provider} does not answer{because}"
        return Unavailable(
            message, reason=Reason.PROVIDER_UNAVAILABLE, retry_after=fault.retry_after, metadata=metadata
        )


@dataclass(slots=True)
class _Tally:
    tries: int = 0
    queued: float = 0.0


def _may_help(error: BaseException) -> bool:
    if not isinstance(error, _FailedTry):
        return False
    if error.fault.kind not in (FaultKind.RATE_LIMITED, FaultKind.TRANSIENT):
        return False
    return (error.fault.retry_after or 0.0) <= LONGEST_HONOURED_WAIT_SECONDS
