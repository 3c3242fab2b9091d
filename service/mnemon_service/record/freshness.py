"""Caches of keys, settings and projects that no replica believes for longer than a second.

Every change of these moves one counter in its own transaction. While calls come in, each replica reads
that counter three times a second; a cache is used only if the counter was read within the last 0.9 s and
has not moved. So a call with a warm cache costs no database access, and a revoked key is refused
everywhere within a second, also while the database is away (then everything is).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import Unavailable
from mnemon_service.record.administration_schema import revisions
from mnemon_service.record.database import Database

Key = TypeVar("Key")
Value = TypeVar("Value")

TRUSTED_SECONDS: Final = 0.9
"""How long one reading of the counter is believed."""
POLL_SECONDS: Final = 0.3
"""How often it is read while calls come in."""
IDLE_SECONDS: Final = 5.0
"""After so long without a call it is not read any more until the next one."""
CACHED_ENTRIES: Final = 10_000

_NAME: Final = "administration"
_READ: Final = sa.select(revisions.c.value).where(revisions.c.name == _NAME)
_MOVE: Final = (
    sa.update(revisions).where(revisions.c.name == _NAME).values(value=revisions.c.value + sa.literal(1))
)


def move_revision(connection: Connection) -> None:
    """In a transaction that changes keys, settings or projects: make every cache of them old."""
    connection.execute(_MOVE)


class Freshness:
    """Whether what was cached earlier still holds."""

    def __init__(self, database: Database) -> None:
        self.generation = 0
        """Moves when caches must be dropped."""
        self._database = database
        self._revision: int | None = None
        self._read_at = -TRUSTED_SECONDS
        self._asked_at = 0.0
        self._asked = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """This process has committed a change: its caches are old at once."""
        self.generation += 1

    async def confirm(self) -> None:
        """Returns once the generation is at most 0.9 s old. Raises `Unavailable` if the record is away."""
        now = self._asked_at = time.monotonic()
        if now - self._read_at >= TRUSTED_SECONDS:
            await self._read()
            self._asked.set()
            if self._polling is None:
                self._polling = asyncio.create_task(self._poll())

    async def close(self) -> None:
        """Stop reading."""
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None

    async def _read(self) -> None:
        begun = time.monotonic()
        revision = await self._database.read(lambda connection: connection.scalar(_READ))
        if revision != self._revision:
            self._revision = revision
            self.generation += 1
        self._read_at = max(self._read_at, begun)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if time.monotonic() - self._asked_at > IDLE_SECONDS:
                self._asked.clear()
                await self._asked.wait()
            with contextlib.suppress(Unavailable):
                await self._read()


class FreshCache(Generic[Key, Value]):
    """Values by key, loaded when they are first asked for and again after any change."""

    def __init__(
        self,
        freshness: Freshness,
        load: Callable[[Key], Awaitable[Value]],
        *,
        capacity: int = CACHED_ENTRIES,
    ) -> None:
        self._freshness = freshness
        self._load = load
        self._capacity = capacity
        self._generation = -1
        self._values: dict[Key, Value] = {}
        self._loading: dict[tuple[int, Key], asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        """The value as it was at most a second ago; what `load` raises."""
        await self._freshness.confirm()
        generation = self._freshness.generation
        if generation != self._generation:
            self._values.clear()
            self._generation = generation
        if key in self._values:
            return self._values[key]
        return await asyncio.shield(self._loaded(generation, key))

    def _loaded(self, generation: int, key: Key) -> asyncio.Task[Value]:
        """One load at a time for all who ask."""
        task = self._loading.get((generation, key))
        if task is None:
            task = self._loading[generation, key] = asyncio.create_task(self._fill(generation, key))
        return task

    async def _fill(self, generation: int, key: Key) -> Value:
        try:
            value = await self._load(key)
        finally:
            del self._loading[generation, key]
        if generation == self._freshness.generation == self._generation:
            while len(self._values) >= self._capacity:
                del self._values[next(iter(self._values))]
            self._values[key] = value
        return value
