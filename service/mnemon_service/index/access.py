"""The way to the engine: it is loaded when first needed, tried again when it comes back, never waited for
twice, and a collection that vanished or broke is dealt with here and nowhere else."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

import structlog

from mnemon_service.index.capabilities import CAPABILITIES
from mnemon_service.index.circuit import Circuit
from mnemon_service.index.engine import CollectionDamaged, CollectionMissing, Engine, EngineError
from mnemon_service.index.layout import Generation, Identity, Layout
from mnemon_service.index.marker import OpenMarker
from mnemon_service.index.protocol import IndexKey
from mnemon_service.index.rows import row_id
from mnemon_service.model.errors import FailedPrecondition, Internal, MnemonError, Reason

logger = structlog.get_logger(__name__)

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

PARALLEL: Final = 8
"""Collections asked at a time."""


class EngineAccess:
    """An engine, its layout, and what is known of their health."""

    def __init__(self, engine: Engine, layout: Layout, identity: Identity, marker: OpenMarker | None) -> None:
        self.engine = engine
        self.layout = layout
        self.identity = identity
        self.marker = marker
        self.capabilities = CAPABILITIES[engine.kind]
        self.version = ""
        self.generation: Generation | None = None
        self.suspect = False
        """True if rows may differ from the record."""
        self._circuit = Circuit()
        self._loading = asyncio.Lock()
        self._writing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def current(self) -> Generation:
        """The generation in use; only inside `guarded`."""
        if self.generation is None:
            raise EngineError("the index is not loaded")
        return self.generation

    def writing(self, collection: str) -> asyncio.Lock:
        """Held while a collection is compared with changes and written."""
        return self._writing[collection]

    async def guarded(self, ask: Callable[[], Awaitable[Answer]], *, any_identity: bool = False) -> Answer:
        """What `ask` answers; it is asked once more if a collection vanished or proved damaged.

        Raises `Unavailable` (INDEX_UNAVAILABLE) if the engine fails, at once while it is known to be
        away; `FailedPrecondition` (INDEX_MISMATCH) if the rows are of another embedder.
        """
        self._circuit.enter()
        try:
            try:
                answer = await self._ask(ask, any_identity)
            except (CollectionMissing, CollectionDamaged) as error:
                await self._recover(error)
                answer = await self._ask(ask, any_identity)
        except EngineError as error:
            raise self._translated(error) from error
        self._circuit.succeeded()
        return answer

    def places(self, project_id: str, owner: str | None) -> list[str]:
        """Collections that may hold rows of an owner, or of all if it is None."""
        return self.current.places(project_id, owner)

    def by_place(self, keys: Iterable[IndexKey]) -> dict[str, list[IndexKey]]:
        """Keys by the collection that may hold them; under each, if their owner is not known."""
        places: defaultdict[str, list[IndexKey]] = defaultdict(list)
        for key in keys:
            for place in self.places(key.project_id, key.owner or None):
                places[place].append(key)
        return dict(places)

    @staticmethod
    async def each(
        arguments: Sequence[tuple[str, Argument]], ask: Callable[[str, Argument], Awaitable[Answer]]
    ) -> list[Answer]:
        """What several collections answer, asked a few at a time; all have ended when it returns."""
        gate = asyncio.Semaphore(PARALLEL)

        async def one(place: str, argument: Argument) -> Answer:
            async with gate:
                return await ask(place, argument)

        answers = await asyncio.gather(
            *(one(place, argument) for place, argument in arguments), return_exceptions=True
        )
        found: list[Answer] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            found.append(answer)
        return found

    async def _ask(self, ask: Callable[[], Awaitable[Answer]], any_identity: bool) -> Answer:
        generation = await self._loaded()
        if not (generation.identity_matches or any_identity):
            raise FailedPrecondition(
                "the index holds vectors of another embedder; rebuild it", reason=Reason.INDEX_MISMATCH
            )
        return await ask()

    def _translated(self, error: EngineError) -> MnemonError:
        logger.warning("index_failed", kind=self.engine.kind, error=str(error))
        if error.retry:
            return self._circuit.failed()
        self._circuit.succeeded()
        return Internal("the search index refused a request of the service")

    async def _loaded(self) -> Generation:
        if self.generation is not None:
            return self.generation
        async with self._loading:
            if self.generation is None:
                await self.engine.start()
                self.version = self.version or await self.engine.version()
                generation = await self.layout.load()
                if (self.suspect or self.engine.broken_off) and self.marker is not None:
                    await self._drop_damaged(generation)
                self.generation = generation
            return self.generation

    async def _recover(self, error: EngineError) -> None:
        """Read the layout again: a replica swapped it, or a shard was written anew or is broken."""
        async with self._loading:
            if isinstance(error, CollectionDamaged) and self.generation is not None:
                await self._drop_damaged(self.generation)
            self.generation = None

    async def _drop_damaged(self, generation: Generation) -> None:
        """Remove collections whose files are broken: they hold nothing that the record does not.

        Their names are not used again, as the engine may still hold something under them.
        """
        for shard in range(generation.shards):
            place = generation.collection(shard)
            if place not in generation.existing:
                continue
            try:
                await self.engine.count(place)
            except (CollectionDamaged, CollectionMissing):
                logger.warning("index_shard_damaged", shard=place)
                self.suspect = True
                generation.revisions[shard] = generation.revisions.get(shard, 0) + 1
                generation.existing.discard(place)
                await self.layout.use(generation)
                await self.engine.drop(place)


def row_ids(keys: Iterable[IndexKey]) -> list[str]:
    """The primary keys of the rows."""
    return [row_id(key.project_id, key.memory_id) for key in keys]
