"""What a project or a key may use a day or store at all: counted in the record, for all replicas together.

Adds are taken from the record in small leases, so that most calls ask no database; the leases of a
process that dies count as used (at most one hundredth of the limit each). Tokens are counted after they
were spent, so calls that run at the same time may go over the limit by what they spend.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from mnemon_service.model.errors import MnemonError, Reason, ResourceExhausted
from mnemon_service.model.settings import Limits
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.record.record import Record
from mnemon_service.record.times import Clock, utc_now

ADDS: Final = "adds"
TOKENS: Final = "tokens"
LARGEST_LEASE: Final = 100
"""Adds that one process takes at once, at most; else one hundredth of the limit."""
COUNT_SECONDS: Final = 2.0
"""How long a count of memories or tokens is believed."""
STORED_RETRY_SECONDS: Final = 60.0
"""What a caller is told to wait while the project is full: nothing but a deletion helps."""
KEPT: Final = timedelta(days=7)
"""How long the counters of a day are kept."""

At = tuple[str, str, str, str]
_log = structlog.get_logger("mnemon.quotas")


@dataclass(slots=True)
class _Lease:
    day: str = ""
    left: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class _Counted:
    value: int
    at: float


class Quotas:
    """The daily quotas and the bound on stored memories."""

    def __init__(self, record: Record, *, clock: Clock = utc_now) -> None:
        self._record = record
        self._clock = clock
        self._leases: dict[tuple[str, str], _Lease] = {}
        self._tokens: dict[tuple[str, str], tuple[dict[str, int], float]] = {}
        self._unwritten: Counter[At] = Counter()
        self._writing: asyncio.Task[None] | None = None
        self._memories: dict[str, _Counted] = {}
        self._forgotten = ""

    async def take_add(self, project_id: str, subject: str, name: str, limit: int) -> None:
        """Counts an add. Raises `ResourceExhausted` (QUOTA_EXCEEDED) past the limit.

        `subject` is a key's id, or empty for the project; `name` is what errors call it.
        """
        lease = self._leases.setdefault((project_id, subject), _Lease())
        async with lease.lock:
            day = self._day()
            if lease.day != day:
                lease.day, lease.left = day, 0
                await self._forget_old_days()
            if not lease.left:
                wanted = max(1, min(LARGEST_LEASE, limit // 100))
                at = (project_id, day, subject, ADDS)
                lease.left = await self._record.daily_use.take(at, wanted, limit)
            if not lease.left:
                raise self._used_up(f"{name}.adds_per_day", f"the {name} may add {limit} times a day")
            lease.left -= 1

    async def require_tokens(self, project_id: str, subject: str, name: str, limit: int) -> None:
        """Raises `ResourceExhausted` (QUOTA_EXCEEDED) if the day's tokens are used up."""
        day = self._day()
        known, read_at = self._tokens.get((project_id, day), ({}, 0.0))
        if time.monotonic() - read_at > COUNT_SECONDS:
            read_at = time.monotonic()
            known = await self._record.daily_use.totals(project_id, day, TOKENS)
            self._tokens = {key: kept for key, kept in self._tokens.items() if key[1] == day}
            self._tokens[project_id, day] = (known, read_at)
        used = known.get(subject, 0) + self._unwritten[project_id, day, subject, TOKENS]
        if used >= limit:
            raise self._used_up(f"{name}.tokens_per_day", f"the {name} may use {limit} tokens a day")

    def spent(self, project_id: str, key_id: str, usage: Iterable[ProviderUsage], owner: str = "") -> None:
        """Counts tokens, for the project and the key. Implements `model.usage.UsageMeter`."""
        tokens = sum(each.input_tokens + each.output_tokens for each in usage)
        if not tokens or not project_id:
            return
        day = self._day()
        for subject in {"", key_id}:
            self._unwritten[project_id, day, subject, TOKENS] += tokens
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    def searched(self, project_id: str, owner: str) -> None:
        """Searches have no quota."""

    async def require_room(self, project_id: str, adding: int, limit: int, *, stored: bool = False) -> None:
        """Raises `ResourceExhausted` (QUOTA_EXCEEDED) if so many more memories would be too many. Counts
        anew every 2 seconds, and before it refuses.

        `stored` says that they are stored next, so that they count at once.
        """
        counted = self._memories.get(project_id)
        if counted is None or time.monotonic() - counted.at > COUNT_SECONDS or counted.value + adding > limit:
            at = time.monotonic()
            counts = await self._record.projects.memory_counts([project_id])
            counted = self._memories[project_id] = _Counted(counts[project_id], at)
        if counted.value + adding > limit:
            raise ResourceExhausted(
                f"the project may store {limit} memories and has {counted.value}",
                reason=Reason.QUOTA_EXCEEDED,
                retry_after=STORED_RETRY_SECONDS,
                metadata={"limit": "project.memories_stored"},
            )
        if stored:
            counted.value += adding

    async def close(self) -> None:
        """Gives back what is left of the leases and writes what is not yet written."""
        if self._writing is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        for (project_id, subject), lease in self._leases.items():
            if lease.left:
                self._unwritten[project_id, lease.day, subject, ADDS] -= lease.left
        self._leases.clear()
        await self._write()

    async def _write(self) -> None:
        while self._unwritten:
            amounts = dict(self._unwritten)
            try:
                await self._record.daily_use.add(amounts)
            except MnemonError as error:
                _log.warning("use of quotas not written", reason=error.reason.value)
                return
            for (project_id, day, subject, quota), amount in amounts.items():
                known = self._tokens.get((project_id, day))
                if quota == TOKENS and known is not None:
                    known[0][subject] = known[0].get(subject, 0) + amount
            self._unwritten.subtract(amounts)
            self._unwritten = Counter({at: left for at, left in self._unwritten.items() if left})

    async def _forget_old_days(self) -> None:
        before = self._clock() - KEPT
        if self._forgotten != (day := before.strftime("%Y-%m-%d")):
            self._forgotten = day
            await self._record.daily_use.drop_before(day)

    def _day(self) -> str:
        return self._clock().strftime("%Y-%m-%d")

    def _used_up(self, limit: str, message: str) -> ResourceExhausted:
        now = self._clock()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return ResourceExhausted(
            f"{message} (UTC), and today's are used up",
            reason=Reason.QUOTA_EXCEEDED,
            retry_after=(midnight - now).total_seconds(),
            metadata={"limit": limit},
        )


def effective(limits: Limits, defaults: Limits) -> Limits:
    """The limits with the defaults where they are left out."""
    return Limits(
        **{
            name: getattr(defaults, name) if getattr(limits, name) is None else getattr(limits, name)
            for name in Limits.__slots__
        }
    )
