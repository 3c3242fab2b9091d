"""Applies the log to the index: at once after a commit, and again from the cursor after any failure.

Each project's changes are applied in the order of its log, by one task at a time in this process; that
only one replica follows a project from its cursor is the caller's lease. Applying twice changes nothing,
so a cursor that was not moved costs work and never a row.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from mnemon_service.index.log import IndexChange, Log
from mnemon_service.index.protocol import IndexRow, MemoryIndex, Rebuild
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
REPAIR_ROUNDS: Final = 1_000
"""Rounds of verification and repair of one project before giving up; a round mends up to 10,000 rows."""


def _nobody_asks(_: int) -> None:
    """Nobody wants to know how far a rebuild is."""


class Follower:
    """Keeps one index equal to the record."""

    def __init__(self, index: MemoryIndex, log: Log) -> None:
        self._index = index
        self._log = log
        self._verifier = Verifier(index, log)
        self._ordering: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._applied: dict[str, int] = {}
        self._wake = asyncio.Event()

    async def apply_now(
        self, project_id: str, changes: Sequence[IndexChange], *, timeout: float = INLINE_TIMEOUT
    ) -> bool:
        """Apply what was just committed; True if the index now shows it.

        Takes at most `timeout` seconds and raises nothing that the index does: after a failure the
        cursor stays, the loop is woken, and a search overlays the tail of the log.
        """
        if not changes:
            return True
        try:
            async with asyncio.timeout(timeout), self._ordering[project_id]:
                await self._apply_ordered(project_id, changes)
        except (MnemonError, TimeoutError) as error:
            logger.warning("index_apply_deferred", project_id=project_id, error=type(error).__name__)
            self._wake.set()
            return False
        return True

    async def catch_up(self, project_id: str) -> int:
        """Apply a project's log from its cursor to its end; the position reached."""
        async with self._ordering[project_id]:
            return await self._catch_up(project_id)

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
            retrying = AsyncRetrying(
                retry=retry_if_exception_type((MnemonError, TimeoutError)),
                wait=wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE),
            )
            async for attempt in retrying:
                with attempt:
                    await self._catch_up_unless_mismatched()
            await self._next_change()

    async def verify(self, project_id: str) -> Report:
        """What differs between record and index; what is only late is applied first and not reported."""
        suspects, compared, truncated = await self._verifier.suspects(project_id)
        async with self._ordering[project_id]:
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

    async def repair(self, report: Report) -> None:
        """Make the index show what the record holds of the memories in a report."""
        async with self._ordering[report.project_id]:
            await self._verifier.repair(report)

    async def verify_and_repair_all(self) -> list[Report]:
        """Compare every project, mend what differs, drop projects that the record does not know.

        The first report of each project. Then the index counts as verified.
        """
        projects = await self._log.projects()
        reports = [await self.verify_and_repair(project_id) for project_id in projects]
        held: set[str] = set()
        async for entry in self._index.scan():
            held.add(entry.project_id)
        for project_id in held.difference(await self._log.projects()):
            await self._index.drop_project(project_id)
        await self._index.verified()
        return reports

    async def rebuild(self, indexed: Callable[[int], None] = _nobody_asks) -> int:
        """Make the whole index anew beside the old one, swap, and apply what happened meanwhile.

        Answers how many memories were written; `indexed` hears of it while they are.
        """
        projects = await self._log.projects()
        rebuild = await self._index.begin_rebuild()
        count = 0
        try:
            for project_id in projects:
                async for rows in self._filled(rebuild, project_id):
                    count += rows
                    indexed(count)
            await rebuild.commit()
        except BaseException:
            await rebuild.abort()
            raise
        await self.verify_and_repair_all()
        return count

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

    async def verify_and_repair(self, project_id: str) -> Report:
        """Compare one project and mend what differs; what differed at first."""
        first = report = await self.verify(project_id)
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
            await self.repair(report)
            report = await self.verify(project_id)
        raise FailedPrecondition("the index does not become equal to the record")

    async def _apply_ordered(self, project_id: str, changes: Sequence[IndexChange]) -> None:
        """Apply changes if they come next; read the log where some before them are not applied yet."""
        if project_id not in self._applied:
            self._applied[project_id] = await self._log.cursor(project_id)
        fresh = [change for change in changes if change.sequence > self._applied[project_id]]
        if not fresh:
            return
        if fresh[0].sequence == self._applied[project_id] + 1:
            await self._apply(project_id, fresh)
        else:
            await self._catch_up(project_id)

    async def _catch_up(self, project_id: str) -> int:
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
            last = {_memory_id(change): change for change in part}
            await self._index.apply(
                [change.upsert for change in last.values() if change.upsert is not None],
                [change.deletion for change in last.values() if change.deletion is not None],
            )
            await self._log.set_cursor(project_id, part[-1].sequence)
            self._applied[project_id] = part[-1].sequence

    async def _catch_up_unless_mismatched(self) -> None:
        try:
            await self.catch_up_all()
        except FailedPrecondition as error:  # only a rebuild helps, and that is asked for by an operator
            logger.warning("index_not_followed", reason=error.reason)

    async def _next_change(self) -> None:
        """Wait for the record or for a write whose change could not be applied."""
        waits = {
            asyncio.ensure_future(self._log.wait_for_change(IDLE)),
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
