"""A search service on a real record and a real index, with an embedder whose space a test can see through."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mnemon.v1 import scope_pb2
from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.app.indexing import index_change
from mnemon_service.index.milvus import MilvusIndex, lite_index
from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.ids import new_id
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Actor, Memory
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import DefaultSettings
from mnemon_service.model.text_analysis import tokenize
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.embedding import Embeddings, no_embeddings
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.search.reranking.applying import Rerankers
from mnemon_service.search.servicer import SearchServicer
from mnemon_service.search.settings import SearchSettings

ANA = Scope(user_id="ana")
BO = Scope(user_id="bo")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SYNONYMS = {
    tokenize(word)[0]: tokenize(same)[0]
    for word, same in {"puppy": "dog", "hound": "dog", "residence": "home", "employer": "job"}.items()
}
"""Words of one meaning: equal in the vector space, different for a search by words."""
ACTOR = Actor(key_id="key-1", operation="AddMemories")


class WordSpace:
    """An embedder of a text's words: each is a direction of its own, and synonyms share one.

    Words in `without_meaning` have no direction: a text of them alone is unlike every other.
    """

    name = "test/words/256"
    dimension = 256

    def __init__(self, without_meaning: Sequence[str] = ()) -> None:
        self.calls = 0
        self._without_meaning = frozenset(tokenize(" ".join(without_meaning)))

    def vector(self, text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The unit vector of a text."""
        total = np.zeros(self.dimension, np.float32)
        for word in tokenize(text):
            if word not in self._without_meaning:
                total[_place(SYNONYMS.get(word, word), self.dimension - 1)] += 1.0
        if not total.any():
            total[self.dimension - 1] = 1.0
        return total / np.float32(np.linalg.norm(total))

    async def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        """As `Embedder.embed_documents`."""
        self.calls += 1
        if not texts:
            return no_embeddings(self.dimension, "test", "words")
        return Embeddings(np.stack([self.vector(text) for text in texts]), ProviderUsage("test", "words", 1))

    async def embed_query(self, text: str) -> Embeddings:
        """As `Embedder.embed_query`."""
        return await self.embed_documents([text])

    async def close(self) -> None:
        """Nothing to free."""


def _place(word: str, places: int) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) % places


class Applied:
    """How far the index of a test has come."""

    def __init__(self) -> None:
        self.cursors: dict[str, int] = {}

    async def cursor(self, project_id: str) -> int:
        """As `IndexPosition.cursor`."""
        return self.cursors.get(project_id, 0)


class SearchWorld:
    """Everything that a search touches, and short ways to fill it and to ask it."""

    def __init__(
        self,
        record: Record,
        index: MilvusIndex,
        embedder: WordSpace | None,
        options: SearchSettings,
        rerankers: Rerankers | None,
    ) -> None:
        self.project = new_id()
        """Nobody else's, so that worlds may share an index."""
        self.other_project = new_id()
        self.record = record
        self.index = index
        self.embedder = embedder
        self.space = embedder.name if embedder else ""
        self.applied = Applied()
        self.servicer = SearchServicer(
            record, index, embedder, self.applied, DefaultSettings(), rerankers, options, lambda: NOW
        )

    def serving(self, options: SearchSettings) -> SearchServicer:
        """Another replica on the same record and index."""
        return SearchServicer(
            self.record,
            self.index,
            self.embedder,
            self.applied,
            DefaultSettings(),
            None,
            options,
            lambda: NOW,
        )

    async def remember(
        self, *texts: str, scope: Scope = ANA, project_id: str = "", **fields: Any
    ) -> list[Memory]:
        """Stores memories with these texts and their vectors; the index hears of them with `apply`."""
        made = [Memory(id=new_id(), project_id="", scope=scope, text=text, **fields) for text in texts]
        return await self.store(*made, project_id=project_id)

    async def store(self, *memories: Memory, project_id: str = "") -> list[Memory]:
        """Stores memories as they are, with their vectors."""
        async with self.record.write(Access(project_id or self.project), ACTOR) as write:
            stored = [write.add(memory).memory for memory in memories]
            write.save_embeddings(self.space, self._vectors(memories))
        return stored

    async def say(self, *messages: Message, scope: Scope = ANA) -> list[Message]:
        """Logs messages of a conversation."""
        async with self.record.write(Access(self.project), ACTOR) as write:
            return await write.save_messages(scope, messages)

    async def change(self, memory: Memory, **fields: Any) -> None:
        """Changes a memory, with the vectors of its new text."""
        async with self.record.write(Access(memory.project_id), ACTOR) as write:
            after = replace((await write.current([memory.id]))[memory.id], **fields)
            write.update(after)
            write.save_embeddings(self.space, self._vectors([after]))

    async def delete(self, memory: Memory) -> None:
        """Deletes a memory softly."""
        async with self.record.write(Access(memory.project_id), ACTOR) as write:
            await write.current([memory.id])
            write.delete(memory.id)

    async def supersede(self, memory: Memory, by: Memory) -> None:
        """Lets one memory replace another."""
        async with self.record.write(Access(memory.project_id), ACTOR) as write:
            await write.current([memory.id])
            write.supersede(memory.id, by.id)

    async def erase(self, memory: Memory) -> None:
        """Erases a memory."""
        async with self.record.write(Access(memory.project_id), ACTOR) as write:
            await write.load([memory.id])
            write.erase(memory.id)

    async def apply(self) -> None:
        """Brings the index up to the end of the log, as its follower does."""
        for project_id in (self.project, self.other_project):
            await self._apply(project_id)

    async def _apply(self, project_id: str) -> None:
        after = self.applied.cursors.get(project_id, 0)
        while changes := await self.record.log.changes(project_id, after, limit=500, space=self.space):
            made = [index_change(change.version, change.vector) for change in changes]
            latest = {(one.upsert or one.deletion).memory_id: one for one in made}  # type: ignore[union-attr]
            upserts = [one.upsert for one in latest.values() if one.upsert]
            await self.index.apply(upserts, [one.deletion for one in latest.values() if one.deletion])
            after = changes[-1].version.sequence
            self.applied.cursors[project_id] = after

    async def search(self, query: str, scope: Scope = ANA, **fields: Any) -> pb.SearchResponse:
        """What the service answers to a reader of the project."""
        return await self.servicer.Search(request(query, scope, **fields), self.call())

    def call(self, role: KeyRole = KeyRole.READER, *, bound: Scope | None = None) -> Call:
        """A call of the service by somebody of the project."""
        caller = Caller(self.project, role, "key-1", bound or Scope())
        return Call("SearchService/Search", caller, "request-1")

    async def texts(self, query: str, scope: Scope = ANA, **fields: Any) -> list[str]:
        """The texts of the hits, best first."""
        return [hit.memory.text for hit in (await self.search(query, scope, **fields)).hits]

    def _vectors(self, memories: Sequence[Memory]) -> dict[str, Any]:
        if self.embedder is None:
            return {}
        texts = [text for memory in memories for text in embedded_texts(memory.text, memory.attributed_to)]
        return {text: self.embedder.vector(text) for text in texts}


def request(query: str, scope: Scope = ANA, **fields: Any) -> pb.SearchRequest:
    """A search request of the contract."""
    return pb.SearchRequest(query=query, scope=scope_pb2.Scope(**scope.named()), **fields)


@asynccontextmanager
async def search_world(
    directory: Path,
    index: MilvusIndex | None = None,
    *,
    options: SearchSettings | None = None,
    embedder: WordSpace | None = None,
    words_only: bool = False,
    rerankers: Rerankers | None = None,
) -> AsyncIterator[SearchWorld]:
    """An empty world with two projects.

    Without an index of the test's it has one of its own, which starts when it is first asked or filled.
    """
    space = None if words_only else embedder or WordSpace()
    record = await Record.open(await empty_database(directory))
    held = index or word_index(directory / "index", words_only=words_only)
    world = SearchWorld(record, held, space, options or SearchSettings(), rerankers)
    for project_id in (world.project, world.other_project):
        await record.projects.create(project_id)
    try:
        yield world
    finally:
        if index is None:
            await held.close()
        await record.close()


def word_index(directory: Path, *, words_only: bool = False) -> MilvusIndex:
    """An index for vectors of `WordSpace`; it starts when it is first asked or filled."""
    if words_only:
        return lite_index(directory, embedder="", dimensions=0)
    return lite_index(directory, embedder=WordSpace.name, dimensions=WordSpace.dimension)


_empty: list[bytes] = []


async def empty_database(directory: Path) -> Path:
    """A migrated database without content: migrated once for all tests of a process."""
    path = directory / "mnemon.db"
    if not _empty:
        await (await Record.open(path)).close()
        _empty.append(path.read_bytes())
    path.write_bytes(_empty[0])
    return path
