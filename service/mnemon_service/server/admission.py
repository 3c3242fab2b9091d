"""Whether a call may go on now: limits are asked before any work is done."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from mnemon_service.model.call import Call


class Admission(Protocol):
    """The limits in force."""

    def admitted(self, call: Call, *, streaming: bool) -> AbstractAsyncContextManager[None]:
        """Holds the call's place while it runs.

        Entering raises `ResourceExhausted` (RATE_LIMITED, QUOTA_EXCEEDED, TOO_MANY_CONCURRENT_CALLS) with
        `retry_after` and metadata `limit`.
        """
        ...


class NoLimits:
    """Admits everything."""

    def admitted(self, call: Call, *, streaming: bool) -> AbstractAsyncContextManager[None]:
        """Holds no place."""
        return nullcontext()
