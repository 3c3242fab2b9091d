"""One add at a time for one owner, where it compares with what is known and stores what is new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class OwnerLocks:
    """A lock for each owner that is being written to; others do not wait.

    It keeps the adds of this process from comparing in vain: what an earlier one stored is seen by the
    next. Duplicates from other replicas are excluded by the write itself.
    """

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def held(self, project_id: str, owner: str) -> AsyncIterator[None]:
        """Holds the owner's lock during the block."""
        key = (project_id, owner)
        lock, waiting = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks[key]
            if waiting == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, waiting - 1)
