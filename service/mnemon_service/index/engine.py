"""The few things that the index asks of a Milvus, whichever it is.

Collections have the one schema of `rows.py`. A record is a dict of its fields; vectors are lists or
arrays of float32. Expressions come from `expressions.py` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mnemon_service.index.protocol import Vector

Record = dict[str, Any]


class EngineError(Exception):
    """The engine did not do it. `retry` is False where asking again gives the same answer."""

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry


class CollectionMissing(EngineError):
    """There is no such collection."""


class CollectionDamaged(EngineError):
    """The files of a collection cannot be read."""


@dataclass(frozen=True, slots=True)
class Found:
    """One row of a search: the score as every engine's larger-is-better, and the fields asked for."""

    id: str
    score: float
    fields: Record


class Engine(Protocol):
    """One Milvus. Every method raises `EngineError` where it fails or takes too long."""

    kind: str
    broken_off: bool
    """True once the engine ended without being asked to: what it held may be lost. Reset by the reader."""

    async def start(self) -> None:
        """Bring it up or reach it; again after a failure starts anew. No-op while it is up."""
        ...

    async def stop(self) -> None:
        """Write what is in memory and end; idempotent."""
        ...

    async def version(self) -> str:
        """The engine's version as it reports it."""
        ...

    async def list_collections(self) -> list[str]:
        """Names of the collections that are there."""
        ...

    async def create(self, collection: str, dimensions: int) -> None:
        """Make a collection with the schema of `rows.py`; no-op if it is there."""
        ...

    async def drop(self, collection: str) -> None:
        """Remove a collection and its files, damaged or not; no-op if there is none."""
        ...

    async def upsert(self, collection: str, records: Sequence[Record]) -> None:
        """Write whole records over those of the same id."""
        ...

    async def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove records; unknown ids are no error."""
        ...

    async def get(self, collection: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        """The records that are there, in no order, with the latest writes."""
        ...

    def pages(self, collection: str, expression: str, fields: Sequence[str]) -> AsyncIterator[list[Record]]:
        """All records that an expression selects, in pages of bounded size, with the latest writes."""
        ...

    async def search_dense(
        self, collection: str, vector: Vector, expression: str, limit: int, fields: Sequence[str]
    ) -> list[Found]:
        """The nearest by cosine."""
        ...

    async def search_sparse(
        self, collection: str, text: str, expression: str, limit: int, fields: Sequence[str]
    ) -> list[Found]:
        """The best by BM25 of the tokens in `text`, separated by blanks."""
        ...

    async def compact(self, collection: str) -> None:
        """Ask for the removal of deleted rows from the files, as soon as the engine sees fit."""
        ...

    async def count(self, collection: str) -> int:
        """How many rows it holds."""
        ...
