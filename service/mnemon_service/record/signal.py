"""Wakes who waits for changes: no polling."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import sqlalchemy as sa
import structlog
import tenacity

LOG_CHANNEL: Final = "mnemon_log"
"""PostgreSQL's channel; a payload is `<sequence> <project>` (0 for a project that is new) or `operations`."""
OPERATIONS: Final = "operations"
LEASE_CHANNEL: Final = "mnemon_leases"
"""Says that a lease of an index was asked for or handed on."""
LISTENER: Final = "mnemon listener"
"""What PostgreSQL calls the listening connection (`application_name`)."""
PING_SECONDS: Final = 15.0
"""A connection that was silent so long is asked whether it lives: a network may cut it without a word."""
_ENDS: Final = "SELECT id, last_sequence FROM projects WHERE last_sequence > 0"

_log = structlog.get_logger(__name__)


class ChangeSignal:
    """Tells within milliseconds that a project's log has grown, on this replica and the others."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self._anything = asyncio.Event()
        self._work = asyncio.Event()
        self._leases = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    def announce(self, project_id: str, sequence: int) -> None:
        """The log of a project has grown to `sequence`."""
        if sequence <= self._ends.get(project_id, -1):
            return
        self._ends[project_id] = sequence
        if event := self._waiting.pop(project_id, None):
            event.set()
        self._anything = _replaced(self._anything)

    def forget(self, project_id: str) -> None:
        """The project was deleted; the log of a later one of its id begins anew."""
        self._ends.pop(project_id, None)

    def announced(self, project_id: str) -> int:
        """Where the log of a project ended when last heard of: never beyond its end.

        Every write of this process is announced before it returns; those of others come later.
        """
        return self._ends.get(project_id, 0)

    def announce_operations(self) -> None:
        """There is work, or some of it has ended."""
        self._work = _replaced(self._work)

    def announce_leases(self) -> None:
        """The lease of an index was asked for or handed on."""
        self._leases = _replaced(self._leases)

    async def wait_beyond(self, project_id: str, sequence: int, timeout: float) -> bool:
        """True as soon as the log of the project goes beyond `sequence`, False after `timeout` seconds.

        Read the log first, then wait for what lies beyond the end you read: what was committed in between
        is known, also if nobody listened at that moment.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._ends.get(project_id, -1) <= sequence:
                    await self._waiting.setdefault(project_id, asyncio.Event()).wait()
        return self._ends.get(project_id, -1) > sequence

    async def wait_any(self, timeout: float) -> None:
        """Returns at the next change of any project, at the latest after `timeout` seconds."""
        await _wait(self._anything, timeout)

    def changes_waiter(self) -> Callable[[float], Awaitable[None]]:
        """Waits as `wait_any`, for what happens from now on, also before it is called: take it, look, then
        wait."""
        event = self._anything
        return lambda timeout: _wait(event, timeout)

    async def wait_operations(self, timeout: float) -> None:
        """Returns when operations were put in or ended, at the latest after `timeout` seconds."""
        await _wait(self._work, timeout)

    def operations_waiter(self) -> Callable[[float], Awaitable[None]]:
        """Waits as `wait_operations`, for what happens from now on, also before it is called: take it,
        look, then wait."""
        event = self._work
        return lambda timeout: _wait(event, timeout)

    def leases_waiter(self) -> Callable[[float], Awaitable[None]]:
        """Returns when a lease of an index was asked for or handed on, at the latest after so many seconds;
        as `changes_waiter`."""
        event = self._leases
        return lambda timeout: _wait(event, timeout)

    async def listen(self, url: sa.URL) -> None:
        """Hear what other replicas write, over a connection of its own that is made again when it breaks."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listener = asyncio.create_task(self._keep_listening(url, ready))
        await ready

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    async def _keep_listening(self, url: sa.URL, ready: asyncio.Future[None]) -> None:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(
                (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
            ),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
        )
        async for attempt in retrying:
            with attempt:
                try:
                    await self._listen_once(url, ready)
                finally:
                    self._lost()

    async def _listen_once(self, url: sa.URL, ready: asyncio.Future[None]) -> None:
        connection = await asyncpg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False),
            timeout=5,
            command_timeout=10,
            server_settings={"application_name": LISTENER},
        )
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _connection: ended.set())
        try:
            await connection.add_listener(LOG_CHANNEL, self._heard)
            await connection.add_listener(LEASE_CHANNEL, lambda *_: self.announce_leases())
            # Listening first: what is committed from now on is heard, what was before is read.
            for project_id, sequence in await connection.fetch(_ENDS):
                self.announce(project_id, sequence)
            self._lost()
            if not ready.done():
                ready.set_result(None)
            while not ended.is_set():
                await _wait(ended, PING_SECONDS)
                await connection.execute("SELECT 1")
        finally:
            connection.terminate()
        raise ConnectionError("the listening connection broke")

    def _heard(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        sequence, _, project_id = str(payload).partition(" ")
        if sequence == OPERATIONS:
            self.announce_operations()
        elif int(sequence):
            self.announce(project_id, int(sequence))
        else:
            self.forget(project_id)

    def _lost(self) -> None:
        """What was said while nobody listened is unknown: wake everybody to look for themselves. (Who waits
        for one project's log is woken by its end, which is read when the connection stands again.)"""
        self._anything = _replaced(self._anything)
        self._work = _replaced(self._work)
        self._leases = _replaced(self._leases)


def _replaced(event: asyncio.Event) -> asyncio.Event:
    """Wake all who wait on an event and answer a fresh one for those who come later."""
    event.set()
    return asyncio.Event()


async def _wait(event: asyncio.Event, timeout: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
