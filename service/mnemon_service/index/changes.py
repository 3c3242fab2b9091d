"""Writes: changes in the order of the log, and the removal that leaves no byte behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from mnemon_service.index.access import EngineAccess, row_ids
from mnemon_service.index.engine import CollectionMissing, Record
from mnemon_service.index.layout import Generation
from mnemon_service.index.protocol import MAXIMUM_BATCH, IndexKey, IndexRow
from mnemon_service.index.rows import ALL_FIELDS, encode, row_id
from mnemon_service.model.errors import InvalidArgument

COPY_BATCH: Final = 200
"""Rows written at a time where a shard is written anew."""


class ChangeWriter:
    """The write side of the index; its methods run inside `EngineAccess.guarded`."""

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    def encoded(self, rows: Sequence[IndexRow]) -> list[tuple[str, str, Record]]:
        """Project, owner and record of each row; refuses what is wrong before anything is written."""
        if len(rows) > MAXIMUM_BATCH:
            raise InvalidArgument.of("upserts", f"at most {MAXIMUM_BATCH} changes at a time")
        dimensions = self._access.identity.dimensions
        return [(row.project_id, row.scope.owner, encode(row, dimensions)) for row in rows]

    async def apply(self, upserts: Sequence[tuple[str, str, Record]], deletions: Sequence[IndexKey]) -> None:
        """Write and delete, each collection by itself; a row never gives way to an older change."""
        generation = self._access.current
        records: defaultdict[str, list[Record]] = defaultdict(list)
        for project_id, owner, record in upserts:
            records[generation.home(project_id, owner)].append(record)
        deleted = self._access.by_place(deletions)
        await self._access.each(
            [(place, None) for place in {*records, *deleted}],
            lambda place, _: self._change(generation, place, records.get(place, []), deleted.get(place, [])),
        )

    async def fill(self, generation: Generation, upserts: Sequence[tuple[str, str, Record]]) -> None:
        """Write rows into a generation that nobody reads yet."""
        records: defaultdict[str, list[Record]] = defaultdict(list)
        for project_id, owner, record in upserts:
            records[generation.home(project_id, owner)].append(record)
        await self._access.each(
            list(records.items()), lambda place, rows: self._change(generation, place, rows, [], filling=True)
        )

    async def make(self, generation: Generation) -> None:
        """Make the one collection of a server's generation, also if it has no row yet."""
        await self._access.engine.create(generation.collection(0), self._access.identity.dimensions)
        generation.existing.add(generation.collection(0))

    async def erase(self, place: str, expression: str, erased: Callable[[str], bool]) -> None:
        """Remove the rows for which `erased` is true of their id, and every byte of them."""
        async with self._access.writing(place):
            if not self._access.current.names(place):
                raise CollectionMissing("replaced while waiting")
            if not self._access.capabilities.erases_by_rewriting:
                async for page in self._access.engine.pages(place, expression, ("id",)):
                    await self._access.engine.delete(place, [record["id"] for record in page])
                await self._access.engine.compact(place)
                return
            await self._rewrite(place, erased)

    async def _change(
        self,
        generation: Generation,
        place: str,
        records: list[Record],
        deletions: list[IndexKey],
        *,
        filling: bool = False,
    ) -> None:
        engine = self._access.engine
        async with self._access.writing(place):
            if not (generation.names(place) and (generation is self._access.generation or filling)):
                raise CollectionMissing("replaced while waiting")
            ids = [record["id"] for record in records] + row_ids(deletions)
            stored: dict[str, int] = {}
            if place in generation.existing:
                rows = await engine.get(place, ids, ("id", "sequence"))
                stored = {row["id"]: int(row["sequence"]) for row in rows}
            fresh = [record for record in records if record["sequence"] >= stored.get(record["id"], 0)]
            gone = [key for key in deletions if _gives_way(stored, key)]
            if fresh and place not in generation.existing:
                await engine.create(place, self._access.identity.dimensions)
                generation.existing.add(place)
            if fresh:
                await engine.upsert(place, fresh)
            if gone:
                await engine.delete(place, row_ids(gone))

    async def _rewrite(self, place: str, erased: Callable[[str], bool]) -> None:
        """Copy what stays into a new collection, put it in the place of the old one, remove the old."""
        generation = self._access.current
        engine = self._access.engine
        [shard] = [number for number in range(generation.shards) if generation.collection(number) == place]
        revision = generation.revisions.get(shard, 0) + 1
        fresh = generation.naming(shard, revision)
        await engine.drop(fresh)
        await engine.create(fresh, self._access.identity.dimensions)
        async for page in engine.pages(place, "", ALL_FIELDS):
            kept = [record for record in page if not erased(record["id"])]
            for start in range(0, len(kept), COPY_BATCH):
                await engine.upsert(fresh, kept[start : start + COPY_BATCH])
        generation.revisions[shard] = revision
        generation.existing.add(fresh)
        generation.existing.discard(place)
        await self._access.layout.use(generation)
        await engine.drop(place)


def _gives_way(stored: dict[str, int], key: IndexKey) -> bool:
    """True if the row is there and shows nothing newer than the deletion."""
    sequence = stored.get(row_id(key.project_id, key.memory_id))
    return sequence is not None and (key.sequence is None or sequence <= key.sequence)
