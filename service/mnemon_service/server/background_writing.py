"""Writing beside the calls: every so often, and a last time at the end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod


class BackgroundWriter(ABC):
    """Keeps what calls leave behind and writes it from a task of its own, never in a call's way."""

    name: str
    """Of the task."""
    seconds: float
    """Between two writes: what a process that is killed loses."""
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Writes a last time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.write()

    @abstractmethod
    async def write(self) -> None:
        """Writes what waits; keeps for the next time what cannot be written now, and raises nothing."""

    async def each_time(self) -> None:
        """What the task does."""
        await self.write()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.seconds)
            await self.each_time()
