"""Calls that are held open: they end with their caller's key, and with the patience for a slow reader."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

import structlog

from mnemon_service.model.caller import Caller
from mnemon_service.model.errors import (
    MnemonError,
    PermissionDenied,
    Reason,
    ResourceExhausted,
    Unauthenticated,
)
from mnemon_service.server.logs import describe

ASK_SECONDS: Final = 0.1
"""How often it is asked whether the callers may still call. The answer comes from a cache that is at most
0.9 s old, so a call ends within a second of its key, on every replica."""

SLOW_SECONDS: Final = 60.0
"""A reader who does not take one message within this time is cut: what a stream holds in memory is bounded,
and so is for how long."""

_log = structlog.get_logger("mnemon.calls")

Confirm = Callable[[Caller], Awaitable[None]]


@dataclass(eq=False, slots=True)
class OpenCall:
    """One call, and why it is cut, if it is."""

    task: asyncio.Task[Any]
    method: str
    caller: Caller
    error: MnemonError | None = None
    writing_since: float | None = None
    """When it began to send a message that is not yet taken."""

    async def write(self, written: Awaitable[None]) -> None:
        """Sends a message."""
        self.writing_since = time.monotonic()
        await written
        self.writing_since = None

    def is_slow(self, now: float, slow_seconds: float) -> bool:
        """True if its reader has not taken a message for so long."""
        return self.writing_since is not None and now - self.writing_since > slow_seconds

    def cut(self, error: MnemonError) -> None:
        """Ends it with an error; the first one counts."""
        if self.error is None:
            self.error = error
            self.task.cancel()


class OpenCalls:
    """The calls that are held open now: streams, and whoever waits for an operation."""

    def __init__(self, confirm: Confirm, slow_seconds: float = SLOW_SECONDS) -> None:
        """`confirm` raises `Unauthenticated` or `PermissionDenied` for a caller who may not go on."""
        self._confirm = confirm
        self._slow_seconds = slow_seconds
        self._calls: set[OpenCall] = set()
        self._asking: asyncio.Task[None] | None = None

    @contextmanager
    def held(self, method: str, caller: Caller) -> Iterator[OpenCall]:
        """For the time of a call, in the call's own task: raises what it was cut for."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is held open in a task")
        call = OpenCall(task, method, caller)
        self._calls.add(call)
        if self._asking is None or self._asking.done():
            # In a context of its own: what is logged there belongs to no call.
            self._asking = asyncio.create_task(self._ask(), name="open-calls", context=Context())
        try:
            yield call
        except asyncio.CancelledError:
            # Cancelled once, by us: the caller did not leave as well.
            if call.error is not None and task.cancelling() == 1:
                task.uncancel()
                raise call.error from None
            raise
        finally:
            self._calls.discard(call)

    def cut(self, methods: frozenset[str], error: MnemonError) -> None:
        """Ends the open calls of these methods with an error."""
        for call in tuple(self._calls):
            if call.method in methods:
                call.cut(error)

    async def _ask(self) -> None:
        """Goes on as long as any call is open."""
        while self._calls:
            await asyncio.sleep(ASK_SECONDS)
            self._cut_slow()
            for caller in {call.caller for call in self._calls}:
                if (refusal := await self._refusal(caller)) is not None:
                    for call in tuple(self._calls):
                        if call.caller == caller:
                            call.cut(refusal)

    def _cut_slow(self) -> None:
        now = time.monotonic()
        for call in self._calls:
            if call.is_slow(now, self._slow_seconds):
                call.cut(_too_slow())

    async def _refusal(self, caller: Caller) -> MnemonError | None:
        try:
            await self._confirm(caller)
        except (Unauthenticated, PermissionDenied) as refusal:
            return refusal
        except MnemonError as error:  # the record is away: the answer comes when it is back
            _log.warning("callers of open calls not confirmed", reason=error.reason.value)
        except Exception as error:  # a fault of ours must not end what guards all open calls
            _log.error("callers of open calls not confirmed", **describe(error))
        return None


def _too_slow() -> ResourceExhausted:
    return ResourceExhausted(
        "the reader fell too far behind; resume from the last token, if the stream has one",
        reason=Reason.WATCHER_TOO_SLOW,
        retry_after=1.0,
    )
