"""When a failed call is tried again, and how long to wait before."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from mnemon._errors import MnemonError


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how fast calls are tried again.

    A call is tried again when the server was UNAVAILABLE and the call is safe to repeat (it reads, or it
    is a write that carries a `request_id`), or when it was refused by a limit that names a time to wait
    (RESOURCE_EXHAUSTED with RetryInfo). The call's `timeout` bounds all tries together.
    """

    attempts: int = 4
    """Tries in all, the first one included; 1 to never try again."""
    first_delay: float = 0.1
    """Seconds, at most, before the second try; doubles with each further one."""
    largest_delay: float = 5.0
    """Seconds, at most, between two tries, unless the server asks for more."""

    def delay(self, failures: int, retry_after: float | None) -> float:
        """Seconds to wait after so many failures: random between half and all of the step (so that
        clients that failed together do not come back together), and never less than the server asked for.
        """
        step = min(self.largest_delay, self.first_delay * 2.0 ** min(failures - 1, 30))
        if retry_after is None:
            return step * random.uniform(0.5, 1.0)
        return retry_after + random.uniform(0.0, 0.1) * max(retry_after, step)


class Tries:
    """The tries of one call under one deadline."""

    def __init__(self, policy: RetryPolicy, timeout: float | None, *, safe: bool) -> None:
        self._policy = policy
        self._end = None if timeout is None else time.monotonic() + timeout
        self._safe = safe
        self._failures = 0

    def remaining(self) -> float | None:
        """Seconds left for the next try; None without a deadline."""
        return None if self._end is None else max(0.001, self._end - time.monotonic())

    def next_delay(self, error: MnemonError) -> float:
        """Seconds to wait before the next try. Raises the error when there is none: it would not help,
        the tries are used up, or the wait would outlast the deadline.
        """
        self._failures += 1
        if self._failures >= self._policy.attempts or not may_retry(error, safe=self._safe):
            raise error
        delay = self._policy.delay(self._failures, error.retry_after)
        if self._end is not None and time.monotonic() + delay >= self._end:
            raise error
        return delay


def may_retry(error: MnemonError, *, safe: bool) -> bool:
    """Whether trying again can help and cannot do a thing twice."""
    if error.code == "UNAVAILABLE":
        return safe
    return error.code == "RESOURCE_EXHAUSTED" and error.retry_after is not None


def may_resume(error: MnemonError) -> bool:
    """Whether a broken stream may go on from its last token."""
    return may_retry(error, safe=True) or error.reason == "WATCHER_TOO_SLOW"
