"""Requests a second of projects and keys for all replicas together, taken from the record in small leases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mnemon_service.record.rate_buckets import RateBuckets
from mnemon_service.server.rates import Subject, capacity

LEASE_SECONDS: Final = 0.1
"""A lease holds at most so many seconds of the rate: a busy subject asks the record ten times a second, and a
replica that dies takes little with it."""
KEPT_SECONDS: Final = 5.0
"""How long what is left of a lease is kept."""
REMEMBERED: Final = 10_000
"""Projects and keys whose leases are kept."""


@dataclass(slots=True)
class _Lease:
    left: int = 0
    size: int = 1
    """Requests asked for last: twice as many are next if they are used up at once, one if they are not."""
    begun: float = 0.0
    empty_until: float = 0.0
    """The bucket holds nothing before, so nobody need ask."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLeases:
    """What this replica may still admit of each rate."""

    def __init__(self, buckets: RateBuckets, *, now: Callable[[], float] = time.monotonic) -> None:
        self._buckets = buckets
        self._now = now
        self._leases: dict[tuple[str, str], _Lease] = {}

    async def take(self, subject: Subject, project_id: str, subject_id: str, rate: float) -> None:
        """Takes a request. Raises `ResourceExhausted` (RATE_LIMITED) if none is left on any replica.

        `subject_id` is a key's id, or empty for the project.
        """
        if rate <= 0:
            raise subject.rate_limited(rate, self._now(), 0.0)
        lease = self._lease(project_id, subject_id)
        async with lease.lock:
            now = self._now()
            if lease.left and now - lease.begun > KEPT_SECONDS:
                lease.left = 0
            if not lease.left:
                await self._renew(lease, project_id, subject_id, rate, now)
            if not lease.left:
                now = self._now()
                raise subject.rate_limited(rate, now, lease.empty_until - now)
            lease.left -= 1

    def give_back(self, project_id: str, subject_id: str) -> None:
        """A request that was taken is not made."""
        self._lease(project_id, subject_id).left += 1

    async def _renew(self, lease: _Lease, project_id: str, subject_id: str, rate: float, now: float) -> None:
        if now < lease.empty_until:
            return
        largest = max(1, int(rate * LEASE_SECONDS))
        lease.size = min(largest, 2 * lease.size) if now - lease.begun < LEASE_SECONDS else 1
        taken = await self._buckets.take(project_id, subject_id, rate, capacity(rate), lease.size)
        lease.left, lease.begun = taken.count, self._now()
        if not taken.count:
            lease.empty_until = lease.begun + taken.wait_seconds

    def _lease(self, project_id: str, subject_id: str) -> _Lease:
        lease = self._leases.get((project_id, subject_id))
        if lease is None:
            if len(self._leases) >= REMEMBERED:
                self._leases = {at: kept for at, kept in self._leases.items() if kept.lock.locked()}
            lease = self._leases[project_id, subject_id] = _Lease()
        return lease
