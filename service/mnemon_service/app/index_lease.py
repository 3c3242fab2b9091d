"""Holds, asks for and hands on the lease of an index that several replicas share."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import structlog

from mnemon_service.model.errors import MnemonError, Reason, Unavailable
from mnemon_service.model.ids import new_id
from mnemon_service.record.index_leases import IndexLease
from mnemon_service.record.record import Record

RENEW_SECONDS: Final = 2.0
"""How often the holder shows that it lives, and the others look."""
VALID_SECONDS: Final = 6.0
"""After so long without having shown it, a holder begins no write any more."""
TAKEOVER_SECONDS: Final = 10.0
"""A lease that did not move for so long is taken over: its holder has ceased to begin writes. What it had
begun then is compared with the record later, by the one that took over and by itself if it lives."""
ASK_SECONDS: Final = 20.0
"""How long work waits for the lease; longer than a takeover."""

_log = structlog.get_logger("mnemon.index")


class SharedIndexLease:
    """Implements `index.lease.Lease` over the record."""

    def __init__(
        self, record: Record, index_name: str, *, takeover_seconds: float = TAKEOVER_SECONDS
    ) -> None:
        self._record = record
        self._index_name = index_name
        self._takeover_seconds = takeover_seconds
        self._worker = new_id()
        self._term = 0
        self._named = False
        """The record names this process, as far as it knows."""
        self._valid_until = 0.0
        self._handing_on = False
        self._users = 0
        self._asking = 0
        self._seen = IndexLease()
        self._seen_at = 0.0
        self._wake = asyncio.Event()
        self._renewed = asyncio.Event()
        self._callbacks: list[Callable[[bool], None]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def term(self) -> int:
        """See `Lease.term`."""
        return self._term

    def is_held(self) -> bool:
        """See `Lease.is_held`."""
        return self.is_valid() and not self._handing_on

    def is_valid(self) -> bool:
        """See `Lease.is_valid`."""
        return time.monotonic() < self._valid_until

    def on_gain(self, callback: Callable[[bool], None]) -> None:
        """See `Lease.on_gain`."""
        self._callbacks.append(callback)

    def require(self) -> None:
        """See `Lease.require`."""
        if not self.is_valid():
            raise _taken()

    @contextlib.asynccontextmanager
    async def using(self) -> AsyncIterator[None]:
        """See `Lease.using`."""
        if not self.is_held():
            await self._asked_for()
        with self.keep():
            yield

    @contextlib.contextmanager
    def keep(self) -> Iterator[None]:
        """See `Lease.keep`."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if self._handing_on:
                self._wake.set()

    async def start(self) -> None:
        """Takes the lease if nobody holds it, and looks after it from now on. Raises what the record does."""
        await self._look_after()
        self._task = asyncio.create_task(self._keep(), name="index-lease")

    async def stop(self) -> None:
        """Hands the lease on; whoever used it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._named:
            with contextlib.suppress(MnemonError):
                await self._hand_on("")

    async def _asked_for(self) -> None:
        self._asking += 1
        self._wake.set()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                while not self.is_held():
                    await self._renewed.wait()
        except TimeoutError:
            raise _taken() from None
        finally:
            self._asking -= 1

    async def _keep(self) -> None:
        while True:
            moved = asyncio.ensure_future(self._record.signal.leases_waiter()(RENEW_SECONDS))
            self._wake.clear()
            try:
                await self._look_after()
            except MnemonError as error:
                _log.warning("index_lease_not_seen", reason=error.reason)
            except Exception as error:  # nobody else would look after it
                _log.error("index_lease_failed", exception=type(error).__name__)
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({moved, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                moved.cancel()
                woken.cancel()
                await asyncio.gather(moved, woken, return_exceptions=True)

    async def _look_after(self) -> None:
        """Show that this replica lives, or look whether the holder does."""
        begun = time.monotonic()
        if self._named:
            wanted_by = await self._record.index_leases.renew(self._index_name, self._worker)
            if wanted_by is None:
                self._lose()
                return
            self._valid_until = begun + VALID_SECONDS
            self._handing_on = bool(wanted_by)
            self._tell()
            if self._handing_on and not self._users:
                await self._hand_on(wanted_by)
            return
        seen = await self._record.index_leases.look(self._index_name)
        if (seen.holder, seen.beat) != (self._seen.holder, self._seen.beat):
            self._seen, self._seen_at = seen, begun
        if seen.holder in ("", self._worker) or begun - self._seen_at > self._takeover_seconds:
            if await self._record.index_leases.take(self._index_name, self._worker, seen):
                self._gain(begun, lapsed=seen.holder not in ("", self._worker))
        elif self._asking and seen.wanted_by != self._worker:
            await self._record.index_leases.ask(self._index_name, self._worker)

    async def _hand_on(self, to: str) -> None:
        self._lose()
        await self._record.index_leases.hand_on(self._index_name, self._worker, to)

    def _gain(self, begun: float, *, lapsed: bool) -> None:
        self._named, self._handing_on = True, False
        self._valid_until = begun + VALID_SECONDS
        self._term += 1
        self._tell()
        for callback in self._callbacks:
            callback(lapsed)

    def _lose(self) -> None:
        self._named = False
        self._valid_until = 0.0
        self._handing_on = False
        self._seen = IndexLease()

    def _tell(self) -> None:
        """Wake who waits for the lease."""
        self._renewed.set()
        self._renewed = asyncio.Event()


def _taken() -> Unavailable:
    return Unavailable(
        "another replica works on the search index", reason=Reason.INDEX_UNAVAILABLE, retry_after=5.0
    )
