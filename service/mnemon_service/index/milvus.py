"""The index on Milvus, whichever one: `MemoryIndex` over an engine and a layout.

A read that names a user asks one collection: 3 ms with 100,000 rows in all, on Milvus Lite. There, any
other read asks every shard that exists, up to 64 searches, eight at a time: 0.15 s at 10,000 rows, 0.33 s
at 100,000. The first keyword search of a shard after its files were merged also counts its words: 40 ms.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import structlog

from mnemon_service.index.access import EngineAccess, row_ids
from mnemon_service.index.candidates import CandidateSearch
from mnemon_service.index.changes import ChangeWriter
from mnemon_service.index.engine import (
    CollectionDamaged,
    CollectionMissing,
    Engine,
    EngineError,
    Found,
    Record,
)
from mnemon_service.index.expressions import ids_expression, quote
from mnemon_service.index.layout import Generation, Identity, Layout, ShardedLayout
from mnemon_service.index.lite_engine import LiteEngine
from mnemon_service.index.marker import OpenMarker
from mnemon_service.index.protocol import (
    MAXIMUM_BATCH,
    IndexDescription,
    IndexEntry,
    IndexHit,
    IndexKey,
    IndexRow,
    IndexStatistics,
    Selection,
    Vector,
)
from mnemon_service.index.rows import (
    ALL_FIELDS,
    ENTRY_FIELDS,
    checked_vector,
    decode,
    decode_entry,
    encode_tokens,
    row_id,
)
from mnemon_service.model.errors import InvalidArgument, MnemonError, Unavailable

logger = structlog.get_logger(__name__)


def lite_index(directory: Path, *, embedder: str, dimensions: int, timeout: float = 10.0) -> MilvusIndex:
    """The index on Milvus Lite, in a directory of its own.

    `embedder` names the model whose vectors are stored and `dimensions` their length; "" and 0 without
    one. `timeout` bounds each call to the engine, in seconds.
    """
    identity = Identity(embedder, dimensions)
    engine = LiteEngine(directory / "lite", timeout=timeout)
    return MilvusIndex(engine, ShardedLayout(engine, directory, identity), identity, OpenMarker(directory))


class MilvusIndex:
    """See `MemoryIndex`."""

    def __init__(
        self, engine: Engine, layout: Layout, identity: Identity, marker: OpenMarker | None = None
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._marker = marker
        self._access = EngineAccess(engine, layout, identity, marker)
        self._candidates = CandidateSearch(self._access)
        self._writer = ChangeWriter(self._access)

    @property
    def description(self) -> IndexDescription:
        """What it is."""
        generation = self._access.generation
        return IndexDescription(
            kind=self._engine.kind,
            version=self._access.version,
            embedder=self._identity.embedder,
            dimensions=self._identity.dimensions,
            generation=generation.number if generation else 0,
        )

    @property
    def needs_rebuild(self) -> bool:
        """See `MemoryIndex.needs_rebuild`."""
        generation = self._access.generation
        return generation is not None and not generation.identity_matches

    @property
    def made_with(self) -> str | None:
        """The embedder whose vectors it holds; "" for none, None where that is not known."""
        generation = self._access.generation
        return generation.embedder if generation else None

    @property
    def needs_verification(self) -> bool:
        """See `MemoryIndex.needs_verification`."""
        return self._access.suspect or self._engine.broken_off

    async def verified(self) -> None:
        """See `MemoryIndex.verified`."""
        self._access.suspect = False
        self._engine.broken_off = False

    async def open(self) -> None:
        """See `MemoryIndex.open`."""
        if self._marker is not None and self._marker.put():
            self._access.suspect = True
            logger.warning("index_not_closed_cleanly")
        try:
            await self._access.guarded(_nothing, any_identity=True)
        except MnemonError as error:
            logger.warning("index_not_ready", kind=self._engine.kind, reason=error.reason)

    async def close(self) -> None:
        """See `MemoryIndex.close`."""
        try:
            await self._engine.stop()
        except EngineError:
            self._access.suspect = True
        self._access.generation = None
        if self._marker is not None and not self.needs_verification:
            self._marker.remove()

    async def apply(self, upserts: Sequence[IndexRow], deletions: Sequence[IndexKey] = ()) -> None:
        """See `MemoryIndex.apply`."""
        if len(upserts) + len(deletions) > MAXIMUM_BATCH:
            raise InvalidArgument.of("upserts", f"at most {MAXIMUM_BATCH} changes at a time")
        encoded = self._writer.encoded(upserts)
        row_ids(deletions)  # refuses a bad id before anything is written
        if not encoded and not deletions:
            return
        try:
            await self._access.guarded(lambda: self._writer.apply(encoded, deletions))
        except Unavailable:
            # A flush that failed may have taken other rows with it: only the record can tell.
            self._access.suspect = self._access.suspect or self._marker is not None
            raise

    async def search_dense(self, selection: Selection, vector: Vector, limit: int) -> list[IndexHit]:
        """See `MemoryIndex.search_dense`."""
        query = checked_vector(vector, self._identity.dimensions)

        async def search(place: str, expression: str, size: int, fields: Sequence[str]) -> list[Found]:
            return await self._engine.search_dense(place, query, expression, size, fields)

        return await self._access.guarded(lambda: self._candidates.best(selection, limit, search))

    async def search_keyword(self, selection: Selection, terms: Sequence[str], limit: int) -> list[IndexHit]:
        """See `MemoryIndex.search_keyword`."""
        text = encode_tokens(terms)

        async def search(place: str, expression: str, size: int, fields: Sequence[str]) -> list[Found]:
            return await self._engine.search_sparse(place, text, expression, size, fields)

        if not text:
            return []
        return await self._access.guarded(lambda: self._candidates.best(selection, limit, search))

    async def search_entity(self, selection: Selection, names: Sequence[str], limit: int) -> list[IndexHit]:
        """See `MemoryIndex.search_entity`."""
        if not names:
            return []
        return await self._access.guarded(lambda: self._candidates.naming(selection, names, limit))

    async def fetch(self, keys: Sequence[IndexKey]) -> list[IndexRow]:
        """See `MemoryIndex.fetch`."""
        ids = row_ids(keys)

        async def ask() -> list[IndexRow]:
            answers = await self._access.each(
                list(self._access.by_place(keys).items()),
                lambda place, wanted: self._engine.get(place, row_ids(wanted), ALL_FIELDS),
            )
            found = {record["id"]: decode(record) for answer in answers for record in answer}
            return [found[key] for key in ids if key in found]

        return await self._access.guarded(ask)

    async def entries(self, keys: Sequence[IndexKey]) -> list[IndexEntry]:
        """See `MemoryIndex.entries`."""
        row_ids(keys)

        async def ask() -> list[IndexEntry]:
            answers = await self._access.each(
                list(self._access.by_place(keys).items()),
                lambda place, wanted: self._engine.get(place, row_ids(wanted), ENTRY_FIELDS),
            )
            return [decode_entry(record) for answer in answers for record in answer]

        return await self._access.guarded(ask)

    async def scan(self, project_id: str | None = None) -> AsyncIterator[IndexEntry]:
        """See `MemoryIndex.scan`."""
        expression = "" if project_id is None else f"project_id == {quote(project_id)}"
        for place in await self._access.guarded(self._all_places):
            pages = self._engine.pages(place, expression, ENTRY_FIELDS)
            while page := await self._access.guarded(lambda pages=pages: _next(pages)):  # type: ignore[misc]
                for record in page:
                    yield decode_entry(record)

    async def erase(self, keys: Sequence[IndexKey]) -> None:
        """See `MemoryIndex.erase`."""
        row_ids(keys)

        async def ask() -> None:
            for place, wanted in self._access.by_place(keys).items():
                ids = row_ids(wanted)
                await self._writer.erase(place, ids_expression(ids), set(ids).__contains__)

        await self._access.guarded(ask)

    async def drop_project(self, project_id: str) -> None:
        """See `MemoryIndex.drop_project`."""
        prefix = row_id(project_id, "00000000-0000-7000-8000-000000000000")[:-36]

        async def ask() -> None:
            for place in self._access.places(project_id, None):
                expression = f"project_id == {quote(project_id)}"
                await self._writer.erase(place, expression, lambda row: row[:-36] == prefix)

        await self._access.guarded(ask)

    async def begin_rebuild(self) -> MilvusRebuild:
        """See `MemoryIndex.begin_rebuild`."""

        async def ask() -> MilvusRebuild:
            fresh = await self._access.layout.next(self._access.current)
            return MilvusRebuild(self._access, self._writer, fresh)

        return await self._access.guarded(ask, any_identity=True)

    async def statistics(self) -> IndexStatistics:
        """See `MemoryIndex.statistics`."""

        async def ask() -> IndexStatistics:
            places = [(place, None) for place in self._access.places("", None)]
            counts = await self._access.each(places, lambda place, _: self._engine.count(place))
            size = self._marker.bytes_beside() if self._marker else None
            return IndexStatistics(sum(counts), len(places), size)

        return await self._access.guarded(ask)

    async def _all_places(self) -> list[str]:
        return self._access.places("", None)


class MilvusRebuild:
    """See `Rebuild`."""

    def __init__(self, access: EngineAccess, writer: ChangeWriter, fresh: Generation) -> None:
        self._access = access
        self._writer = writer
        self._fresh = fresh
        self._in_use = False
        self._replaced: set[str] = set()

    async def apply(self, upserts: Sequence[IndexRow]) -> None:
        """See `Rebuild.apply`."""
        encoded = self._writer.encoded(upserts)
        await self._access.guarded(lambda: self._writer.fill(self._fresh, encoded), any_identity=True)

    async def commit(self) -> None:
        """See `Rebuild.commit`."""
        await self._access.guarded(self._swap, any_identity=True)

    async def abort(self) -> None:
        """See `Rebuild.abort`. No-op once the new index is in use."""
        if not self._in_use:
            await self._access.guarded(lambda: self._drop(self._fresh.existing), any_identity=True)

    async def _swap(self) -> None:
        if not self._in_use:
            self._replaced = self._access.current.existing - self._fresh.existing
            if self._fresh.shards == 1:  # a server's one collection must be there to be pointed at
                await self._writer.make(self._fresh)
            await self._access.layout.use(self._fresh)
            self._access.generation = self._fresh
            self._in_use = True
        await self._drop(self._replaced)

    async def _drop(self, places: set[str]) -> None:
        for place in sorted(places):
            await self._access.engine.drop(place)


async def _next(pages: AsyncIterator[list[Record]]) -> list[Record] | None:
    """The next page of a scan; None at its end. A collection that vanished meanwhile fails the scan: to
    go on with the next one would show less than there is."""
    try:
        return await anext(pages, None)
    except (CollectionMissing, CollectionDamaged) as error:
        raise EngineError("a collection was replaced while it was scanned") from error


async def _nothing() -> None:
    """Loading the layout is all there is to do."""
