"""A memory service on a real record, with an embedder whose space a test can see through and a language
model that says what a test wrote down. The index stays behind: what is asked of it comes from the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnemon.v1 import change_pb2, scope_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.adding import Adder
from mnemon_service.memory.changing import Changer
from mnemon_service.memory.delete_rpcs import DeleteWorker
from mnemon_service.memory.embedding import TextEmbedding
from mnemon_service.memory.enqueue_rpcs import AddWorker
from mnemon_service.memory.importing import Importer
from mnemon_service.memory.planning import Planner
from mnemon_service.memory.ports import ContentScreen, NoScreen
from mnemon_service.memory.servicer import MemoryServicer
from mnemon_service.model.call import Call
from mnemon_service.model.memory import Memory, Version
from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import DefaultSettings, ProjectSettings
from mnemon_service.providers.llm import LanguageModel
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Selection, Vector
from mnemon_service.record.times import Clock, utc_now
from mnemon_service.record.worker import Handler
from mnemon_service.search.servicer import SearchServicer
from mnemon_service.wire.operations import ADD_MEMORIES, DELETE_MEMORIES
from support.calls import call
from support.records import ALL, OTHER_PROJECT, PROJECT
from support.search_world import WordSpace, empty_database, word_index

ANA = scope_pb2.Scope(user_id="ana")
EVENTS = {number: name.removeprefix("CHANGE_EVENT_") for name, number in change_pb2.ChangeEvent.items()}


class Behind:
    """An index that was told of every change and has applied none."""

    def __init__(self) -> None:
        self.told: list[Version] = []

    async def apply(
        self, project_id: str, versions: Sequence[Version], vectors: Mapping[str, Vector]
    ) -> None:
        """As `Applier.apply`."""
        self.told += versions

    async def cursor(self, project_id: str) -> int:
        """As `IndexPosition.cursor`."""
        return 0


class OneModel:
    """The server's language model; None leaves extraction to the deterministic extractor."""

    def __init__(self) -> None:
        self.model: LanguageModel | None = None

    def get(self, name: str) -> LanguageModel | None:
        """As `LanguageModels.get`."""
        return self.model


class Settings:
    """The settings of every project; a test sets them."""

    def __init__(self) -> None:
        self.now = ProjectSettings()

    async def of(self, project_id: str) -> ProjectSettings:
        """As `SettingsSource.of`."""
        return self.now


class MemoryWorld:
    """Everything that a write touches, and short ways to use it."""

    def __init__(
        self, record: Record, directory: Path, screen: ContentScreen, options: Mapping[str, Any]
    ) -> None:
        self.record = record
        self.index = Behind()
        self.space = WordSpace()
        self.models = OneModel()
        self.settings = Settings()
        search = SearchServicer(
            record,
            word_index(directory / "index"),
            self.space,
            self.index,
            DefaultSettings(),
        )
        self.embedding = TextEmbedding(record, self.space)
        planner = Planner(record, self.embedding, search.recall, self.models)
        self.adder = Adder(record, self.embedding, planner, search.recall, self.index, self.settings, screen)
        self.changer = Changer(record, self.embedding, self.index)
        importer = Importer(record, self.embedding, self.index, self.settings, screen)
        self.servicer = MemoryServicer(
            record, self.adder, self.changer, importer, self.settings, screen, **options
        )

    @property
    def handlers(self) -> dict[str, Handler]:
        """What the queue's workers do."""
        return {
            ADD_MEMORIES: AddWorker(self.adder),
            DELETE_MEMORIES: DeleteWorker(self.record, self.index),
        }

    async def add(self, *said: str, caller: Call | None = None, **fields: Any) -> pb.AddMemoriesResponse:
        """Adds messages of Ana's, unless the fields say otherwise; `texts` beside or instead of them."""
        fields.setdefault("scope", ANA)
        if said:
            fields["messages"] = [{"content": content, "name": "Ana"} for content in said]
        request = pb.AddMemoriesRequest(**fields)
        return await self.servicer.AddMemories(request, caller or self.call("AddMemories"))

    async def store(self, *texts: str, **fields: Any) -> list[str]:
        """Stores texts as they are; their ids."""
        added = await self.add(texts=texts, infer=False, **fields)
        return [change.memory.id for change in added.changes]

    def call(self, rpc: str, **changes: Any) -> Call:
        """A call by an admin of the project."""
        return call(f"MemoryService/{rpc}", PROJECT, **changes)

    async def known(self, scope: Scope = Scope(user_id="ana"), **shown: Any) -> list[Memory]:
        """The memories of a scope, oldest first."""
        page = await self.record.memories.list(ALL, Selection(scope, **shown), page_size=500)
        return sorted(page.memories, key=lambda memory: memory.id)

    async def texts(self, **shown: Any) -> list[str]:
        """What is known of Ana, oldest first."""
        return [memory.text for memory in await self.known(**shown)]

    async def end(self, access: Access = ALL) -> int:
        """Where the log ends."""
        return await self.record.log.last_sequence(access)

    def set(self, **changes: Any) -> None:
        """Changes the project's settings."""
        self.settings.now = replace(self.settings.now, **changes)


def events(answer: pb.AddMemoriesResponse) -> list[tuple[str, str]]:
    """What was decided, with the memory's text."""
    return [(EVENTS[change.event], change.memory.text) for change in answer.changes]


@asynccontextmanager
async def memory_world(
    directory: Path,
    *,
    clock: Clock = utc_now,
    screen: ContentScreen | None = None,
    **options: Any,
) -> AsyncIterator[MemoryWorld]:
    """A world with two projects and nothing in them; `options` are those of `MemoryServicer`."""
    record = await Record.open(await empty_database(directory), clock=clock)
    for project_id in (PROJECT, OTHER_PROJECT):
        await record.projects.create(project_id)
    try:
        yield MemoryWorld(record, directory, screen or NoScreen(), options)
    finally:
        await record.close()
