"""Vectors for memories that have none in the present embedding space.

That happens when the embedding model was changed or was missing for a while, and when a text came to be in
a way that nobody embedded (a revert to a text whose vector was dropped).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog

from mnemon_service.memory.embedding import TextEmbedding
from mnemon_service.model.errors import MnemonError
from mnemon_service.record.record import Record

PIECE: Final = 64
"""Memories embedded at a time: about 0.2 s of the local model, so that queries hardly wait behind it."""
RETRY_SECONDS: Final = 30.0

Reindex = Callable[[str, list[str]], Awaitable[None]]
"""Takes a project and ids of memories whose vectors are there now."""

_log = structlog.get_logger("mnemon.backfill")


class VectorBackfill:
    """Looks once at the start, and again whenever it is woken."""

    def __init__(self, record: Record, embedding: TextEmbedding, reindex: Reindex) -> None:
        self._record = record
        self._embedding = embedding
        self._reindex = reindex
        self._wake = asyncio.Event()
        self._wake.set()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """A memory without a vector was seen."""
        self._wake.set()

    def start(self) -> None:
        """Begins to work; does nothing without an embedder."""
        if self._embedding.space:
            self._task = asyncio.create_task(self._run(), name="vector-backfill")

    async def stop(self) -> None:
        """Stops; what is left is found at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def fill(self, project_id: str) -> AsyncIterator[int]:
        """Embeds what lacks a vector in one project; how many each piece held."""
        after = ""
        while True:
            missing = await self._record.embeddings.missing(
                project_id, self._embedding.space, limit=PIECE, after=after
            )
            if not missing:
                return
            texts = [text for _, own in missing for text in own]
            embedded = await self._embedding.embed(project_id, texts)
            if embedded.fresh:
                await self._record.embeddings.save(project_id, embedded.space, embedded.fresh)
            await self._reindex(project_id, [memory_id for memory_id, _ in missing])
            after = missing[-1][0]
            yield len(missing)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                for project_id in await self._record.projects.ids():
                    filled = sum([count async for count in self.fill(project_id)])
                    if filled:
                        _log.info("embedded what had no vector", project_id=project_id, memories=filled)
            except MnemonError as error:
                _log.warning("backfill put off", reason=error.reason)
                await self._again_after(error.retry_after or RETRY_SECONDS)
            except Exception as error:  # a fault of ours must not end what nobody else does
                _log.error("backfill failed", exception=type(error).__name__)
                await self._again_after(RETRY_SECONDS)

    async def _again_after(self, seconds: float) -> None:
        self._wake.set()
        await asyncio.sleep(seconds)
