"""One piece of work on a project at a time, each to its end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mnemon_service.index.lease import Lease

Answer = TypeVar("Answer")


class Turns:
    """Work of this process on the index, in turn for each project."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._running: set[asyncio.Task[Any]] = set()

    async def take(self, project_id: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do the work when it is the project's turn; inside `Lease.using`.

        Given up while it waits, it does not begin; given up later, it goes on to its end, and its turn and
        the lease with it: a request that is on its way to the index is not overtaken by later changes.
        """
        turn = self._turns[project_id]
        await turn.acquire()

        async def finishing() -> Answer:
            try:
                with self._lease.keep():  # begins before who gives it up could let go of the lease
                    return await work()
            finally:
                turn.release()

        task = asyncio.create_task(finishing())
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Returns when nothing runs any more; what waits for its turn must have been cancelled."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # who gave it up does not ask any more
