"""How long a broken stream is tried to be resumed."""

from __future__ import annotations

import time

from mnemon._errors import MnemonError
from mnemon._retry import RetryPolicy, may_resume


class Resumption:
    """Decides after each break of a stream whether and when to go on.

    A stream is given up when nothing has come for `patience` seconds since its first break.
    """

    def __init__(self, policy: RetryPolicy, patience: float) -> None:
        self._policy = policy
        self._patience = patience
        self._failures = 0
        self._broken_since: float | None = None

    def progressed(self) -> None:
        """A message came: what failed before is forgotten."""
        self._failures = 0
        self._broken_since = None

    def delay_after(self, error: MnemonError) -> float:
        """Seconds to wait before opening the stream again. Raises the error if that would not help, or
        if patience is at its end.
        """
        now = time.monotonic()
        self._broken_since = self._broken_since or now
        if not may_resume(error) or now - self._broken_since >= self._patience:
            raise error
        self._failures += 1
        return self._policy.delay(self._failures, error.retry_after)
