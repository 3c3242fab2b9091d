"""Applies the log to the index: at once after a commit, and again from the cursor after any failure.

Each project's changes are applied in the order of its log, by one task at a time; of the replicas that share
an index only the one that holds its lease does so. Applying twice changes nothing, so a cursor that was not
moved costs work and never a row. What was sent to the index and not answered may still arrive when later
changes are there: such projects are compared with the record a little later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from mnemon_service.index.lease import Lease, SoleWriter
from mnemon_service.index.log import IndexChange, Log
from mnemon_service.index.protocol import IndexKey, IndexRow, MemoryIndex, Rebuild
from mnemon_service.index.turns import Turns
from mnemon_service.index.verification import Report, Verifier, in_batches
from mnemon_service.model.errors import FailedPrecondition, MnemonError

logger = structlog.get_logger(__name__)

BATCH: Final = 200
"""Changes read and applied at a time."""
INLINE_TIMEOUT: Final = 2.0
"""Seconds that a write waits for its change to be applied; past it the loop goes on."""
IDLE: Final = 30.0
"""Seconds after which the loop looks even if nothing woke it."""
LONGEST_PAUSE: Final = 15.0
"""Seconds between tries while the index or the record is away."""
DOUBT_SECONDS: Final = 20.0
"""How long a request that was not answered may still be on its way to the index."""
REPAIR_ROUNDS: Final = 1_000
"""Rounds of verification and repair of one project before giving up; a round mends up to 10,000 rows."""


def _nobody_asks(_: int) -> None:
    """Nobody wants to know how far a rebuild is."""


class Follower:
    """Keeps one index equal to the record."""

    def __init__(
        self,
        index: MemoryIndex,
        log: Log,
        lease: Lease | None = None,
        *,
        doubt_seconds: float = DOUBT_SECONDS,
    ) -> None:
        """Without a lease nobody else writes to the index."""
        self._doubt_seconds = doubt_seconds
        self._index = index
        self._log = log
        self._lease = lease or SoleWriter()
        self._verifier = Verifier(index, log)
        self._turns = Turns(self._lease)
        self._applied: dict[str, int] = {}
        self._term = self._lease.term
        self._doubtful: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._lapsed = False
        self._lease.on_gain(self._gained)

    async def apply_now(
        self, project_id: str, changes: Sequence[IndexChange], *, timeout: float = INLINE_TIMEOUT
    ) -> bool:
        """Apply what was just committed; True if the index now shows it.

        Takes at most `timeout` seconds and raises nothing that the index does: after a failure the
        cursor stays, the loop is woken, and a search overlays the tail of the log. The same where another
        replica holds the lease: it hears of the change from the record.
        """
        if not changes:
            return True
        if not self._lease.is_held():
            return False
        try:
            async with asyncio.timeout(timeout), self._lease.using():
                await self._turns.take(project_id, lambda: self._apply_ordered(project_id, changes))
        except (MnemonError, TimeoutError) as error:
            logger.warning("index_apply_deferred", project_id=project_id, error=type(error).__name__)
            self._wake.set()
            return False
        return True

    async def catch_up(self, project_id: str) -> int:
        """Apply a project's log from its cursor to its end; the position reached."""
        async with self._lease.using():
            return await self._turns.take(project_id, lambda: self._catch_up(project_id))

    async def catch_up_all(self) -> None:
        """Apply everything that is not applied yet, and mend the index first if it was damaged.

        Raises what the index or the record raises; call it again then.
        """
        if self._index.needs_verification:
            await self.verify_and_repair_all()
        for project_id in await self._log.positions():
            await self.catch_up(project_id)

    async def run(self) -> None:
        """Follow the log until cancelled; failures are waited out with growing pauses."""
        while True:
            changed = self._log.changes_waiter()
            retrying = AsyncRetrying(
                retry=retry_if_exception_type((MnemonError, TimeoutError)),
                wait=wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE),
            )
            async for attempt in retrying:
                with attempt:
                    await self._follow_unless_mismatched()
            await self._next_change(changed)

    def _gained(self, lapsed: bool) -> None:
        self._lapsed = self._lapsed or lapsed
        self._wake.set()

    async def settle(self) -> None:
        """Returns when nothing is being written any more; cancel first what waits for its turn."""
        await self._turns.settle()

    async def verify(self, project_id: str) -> Report:
        """What differs between record and index; what is only late is applied first and not reported."""
        async with self._lease.using():
            return await self._verify(project_id)

    async def repair(self, report: Report) -> None:
        """Make the index show what the record holds of the memories in a report."""
        async with self._lease.using():
            await self._repair(report)

    async def verify_and_repair(self, project_id: str) -> Report:
        """Compare one project and mend what differs; what differed at first."""
        async with self._lease.using():
            return await self._verify_and_repair(project_id)

    async def verify_and_repair_all(self) -> list[Report]:
        """Compare every project, mend what differs, drop projects that the record does not know.

        The first report of each project. Then the index counts as verified.
        """
        async with self._lease.using():
            return await self._verify_and_repair_all()

    async def rebuild(self, indexed: Callable[[int], None] = _nobody_asks) -> int:
        """Make the whole index anew beside the old one, swap, and apply what happened meanwhile.

        Answers how many memories were written; `indexed` hears of it while they are.
        """
        async with self._lease.using():
            return await self._rebuild(indexed)

    async def erase(self, project_id: str, keys: Sequence[IndexKey]) -> None:
        """Remove rows of memories that the record has erased, and every byte of them; nothing that was
        said of them before comes after it."""
        async with self._lease.using():

            async def remove() -> None:
                await self._catch_up(project_id)
                self._lease.require()
                await self._index.erase(keys)

            await self._turns.take(project_id, remove)

    async def drop_project(self, project_id: str) -> None:
        """As `erase`, all rows of a project that the record has erased."""
        async with self._lease.using():
            await self._turns.take(project_id, lambda: self._index.drop_project(project_id))

    def forget(self, project_id: str) -> None:
        """The project was deleted; the log of a later one of its id begins anew."""
        self._applied.pop(project_id, None)

    async def _filled(self, rebuild: Rebuild, project_id: str) -> AsyncIterator[int]:
        async for batch in in_batches(self._log.index_entries(project_id)):
            rows: list[IndexRow] = await self._log.index_rows(
                project_id, [entry.memory_id for entry in batch]
            )
            await rebuild.apply(rows)
            yield len(rows)

    async def _verify(self, project_id: str) -> Report:
        suspects, compared, truncated = await self._verifier.suspects(project_id)

        async def confirm() -> Report:
            await self._catch_up(project_id)
            found = await self._verifier.confirm(project_id, suspects)
            return Report(
                project_id=project_id,
                compared=compared,
                missing=tuple(found.missing),
                stale=tuple(found.stale),
                surplus=tuple(found.surplus),
                truncated=truncated,
            )

        return await self._turns.take(project_id, confirm)

    async def _repair(self, report: Report) -> None:
        async def mend() -> None:
            self._lease.require()
            await self._verifier.repair(report)

        await self._turns.take(report.project_id, mend)

    async def _verify_and_repair(self, project_id: str) -> Report:
        first = report = await self._verify(project_id)
        for _ in range(REPAIR_ROUNDS):
            if report.clean and not report.truncated:
                return first
            logger.warning(
                "index_repaired",
                project_id=project_id,
                missing=len(report.missing),
                stale=len(report.stale),
                surplus=len(report.surplus),
            )
            await self._repair(report)
            report = await self._verify(project_id)
        raise FailedPrecondition("the index does not become equal to the record")

    async def _verify_and_repair_all(self) -> list[Report]:
        projects = await self._log.projects()
        reports = [await self._verify_and_repair(project_id) for project_id in projects]
        held: set[str] = set()
        async for entry in self._index.scan():
            held.add(entry.project_id)
        for project_id in held.difference(await self._log.projects()):
            self._lease.require()
            await self._index.drop_project(project_id)
        await self._index.verified()
        return reports

    async def _rebuild(self, indexed: Callable[[int], None]) -> int:
        projects = await self._log.projects()
        rebuild = await self._index.begin_rebuild()
        count = 0
        try:
            for project_id in projects:
                async for rows in self._filled(rebuild, project_id):
                    count += rows
                    indexed(count)
            self._lease.require()
            await rebuild.commit()
        except BaseException:
            await rebuild.abort()
            raise
        await self._verify_and_repair_all()
        return count

    async def _apply_ordered(self, project_id: str, changes: Sequence[IndexChange]) -> None:
        """Apply changes if they come next; read the log where some before them are not applied yet."""
        self._heed_term()
        if project_id not in self._applied:
            self._applied[project_id] = await self._log.cursor(project_id)
        fresh = [change for change in changes if change.sequence > self._applied[project_id]]
        if not fresh:
            return
        if fresh[0].sequence == self._applied[project_id] + 1:
            await self._apply(project_id, fresh)
        else:
            await self._catch_up(project_id)

    def _heed_term(self) -> None:
        """Forget how far the index was, if another replica may have written to it since."""
        if self._term != self._lease.term:
            self._term = self._lease.term
            self._applied.clear()
            self._log.forget_cursors()

    async def _catch_up(self, project_id: str) -> int:
        self._heed_term()
        position = await self._log.cursor(project_id)
        self._applied[project_id] = position
        while changes := await self._log.read_index_changes(project_id, position, BATCH):
            await self._apply(project_id, changes)
            position = changes[-1].sequence
        return position

    async def _apply(self, project_id: str, changes: Sequence[IndexChange]) -> None:
        """Apply the last change of each memory, then move the cursor."""
        for start in range(0, len(changes), BATCH):
            part = changes[start : start + BATCH]
            await self._apply_part(project_id, {_memory_id(change): change for change in part}.values())
            await self._log.set_cursor(project_id, part[-1].sequence)
            self._applied[project_id] = part[-1].sequence

    async def _apply_part(self, project_id: str, changes: Iterable[IndexChange]) -> None:
        self._lease.require()
        answered = False
        try:
            await self._index.apply(
                [change.upsert for change in changes if change.upsert is not None],
                [change.deletion for change in changes if change.deletion is not None],
            )
            answered = self._lease.is_valid()
        finally:
            if not answered:
                self._doubtful[project_id] = time.monotonic() + self._doubt_seconds

    async def _follow_unless_mismatched(self) -> None:
        try:
            await self._settle_doubts()
            if self._lease.is_held():
                await self._doubt_the_last_holder()
                await self.catch_up_all()
        except FailedPrecondition as error:  # only a rebuild helps, and that is asked for by an operator
            logger.warning("index_not_followed", reason=error.reason)

    async def _doubt_the_last_holder(self) -> None:
        """A holder that fell silent may have sent what it did not see answered: to projects whose cursor
        it did not move."""
        if self._lapsed:
            arrived = time.monotonic() + self._doubt_seconds
            self._doubtful |= dict.fromkeys(await self._log.positions(), arrived)
            self._lapsed = False

    async def _settle_doubts(self) -> None:
        """Compare the projects for which something was sent and not answered, once it must have arrived."""
        due = [(project_id, at) for project_id, at in self._doubtful.items() if time.monotonic() >= at]
        known = await self._log.projects() if due else []
        for project_id, settled in due:
            if project_id in known:
                await self.verify_and_repair(project_id)
            if self._doubtful.get(project_id) == settled:
                del self._doubtful[project_id]

    async def _next_change(self, changed: Callable[[float], Awaitable[None]]) -> None:
        """Wait for the record, for a write whose change could not be applied, for the lease, or for the time
        when a doubt can be settled."""
        settled = min(self._doubtful.values(), default=time.monotonic() + IDLE)
        waits = {
            asyncio.ensure_future(changed(min(IDLE, max(0.0, settled - time.monotonic())))),
            asyncio.ensure_future(self._wake.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        self._wake.clear()


def _memory_id(change: IndexChange) -> str:
    changed = change.upsert or change.deletion
    return changed.memory_id if changed else f"\x00{change.sequence}"
