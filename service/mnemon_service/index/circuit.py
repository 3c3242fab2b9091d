"""A switch that spares every search the wait for an engine that is known to be away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mnemon_service.model.errors import Reason, Unavailable

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
"""Seconds without a try after the first failure; each further one doubles it up to the longest."""


class Circuit:
    """Open after a failure for a while that doubles; then one call may try."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = 0.0
        self._closed_until = 0.0

    def enter(self) -> None:
        """Raises `Unavailable` while the engine is known to be away; else lets the call try.

        The call that is let through first after a pause holds the others back until it is decided.
        """
        if self._pause == 0.0:
            return
        left = self._closed_until - self._clock()
        if left > 0:
            raise self.unavailable(left)
        self._closed_until = self._clock() + self._pause

    def succeeded(self) -> None:
        """The engine answered."""
        self._pause = 0.0

    def failed(self) -> Unavailable:
        """The engine did not answer: the error to raise."""
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self._closed_until = self._clock() + self._pause
        return self.unavailable(self._pause)

    @staticmethod
    def unavailable(retry_after: float) -> Unavailable:
        """The one error for an engine that is away."""
        return Unavailable(
            "the search index does not answer", reason=Reason.INDEX_UNAVAILABLE, retry_after=retry_after
        )
