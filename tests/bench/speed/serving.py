"""A server filled with made-up memories, and how long its calls take."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.indexing import index_filled
from bench.speed.corpus import Corpus, fill
from bench.speed.load import ADD, GET, SEARCH, Clients, Timings, anybody, searches
from bench.speed.vectors import Vectors
from mnemon.v1 import memory_service_pb2, scope_pb2
from mnemon.v1 import search_service_pb2 as pb
from support.server import MnemonServer

CLIENTS = (1, 8, 32)
HOT_USERS = 100
"""Users whose searches count as warm: their memories fit into memory beside each other."""
COLD_CALLS = 200
"""At most: a user is cold once a start."""
INDEX_SECONDS_A_THOUSAND = 30
"""How long a server may take to index a thousand memories before the measurement is given up."""
_FILLED = "filled"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement of searches."""

    cache: str
    clients: int
    unary: Timings
    first_pages: Timings | None = None


@dataclass
class Served:
    """One size."""

    rows: list[Row] = field(default_factory=list)
    add: Timings = field(default_factory=Timings)
    get: Timings = field(default_factory=Timings)
    resident_megabytes: float = 0.0

    def warm(self, clients: int) -> Timings:
        """Unary searches with a warm cache."""
        return next(row.unary for row in self.rows if (row.cache, row.clients) == (WARM, clients))


COLD = "cold"
WARM = "warm"
ASKED_BEFORE = "same question again"
ANYBODY = "any user"
NO_VIEWS = "none (index)"


def is_prepared(directory: Path) -> bool:
    """True if it was filled and indexed by an earlier run; else it is an empty one after this."""
    if (directory / _FILLED).exists():
        return True
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return False


async def prepare(directory: Path, corpus: Corpus, vectors: Vectors) -> None:
    """Fills an empty data directory and lets a server index it."""
    await fill(directory / "mnemon.db", corpus, vectors)
    with MnemonServer(directory) as server:
        seconds = INDEX_SECONDS_A_THOUSAND * max(corpus.memories / 1_000, 1)
        await index_filled(directory, directory / "mnemon.db", seconds)
        server.stop()
    (directory / _FILLED).touch()


async def measure(directory: Path, corpus: Corpus, calls: int) -> Served:
    """Every measurement of a prepared directory."""
    served = Served()
    for clients in CLIENTS:
        served.rows.append(await _cold(directory, corpus, clients))
    async with _serving(directory) as server:
        await _measure_warm(server, corpus, calls, served)
        served.resident_megabytes = server.resident_bytes / 1e6
        await _measure_memory_calls(server, calls, served)
    async with _serving(directory, MNEMON_SEARCH_VIEWS="false") as server:
        async with Clients(server.address, server.metadata, 1) as one:
            await one.unary(SEARCH, searches(range(min(corpus.users, 64))))  # each shard's files are loaded
            by_index = await one.unary(SEARCH, searches(anybody(corpus.users, calls // 2)))
        served.rows.append(Row(NO_VIEWS, 1, by_index))
    return served


async def _cold(directory: Path, corpus: Corpus, clients: int) -> Row:
    """Each user's first search since the server started; the streamed ones of a start of their own."""
    users = range(min(corpus.users, COLD_CALLS))
    async with _serving(directory) as server, Clients(server.address, server.metadata, clients) as many:
        unary = await many.unary(SEARCH, searches(users))
    async with _serving(directory) as server, Clients(server.address, server.metadata, clients) as many:
        return Row(COLD, clients, unary, await many.first_pages(searches(users, streamed=True)))


async def _measure_warm(server: MnemonServer, corpus: Corpus, calls: int, served: Served) -> None:
    hot = min(corpus.users, HOT_USERS)
    async with Clients(server.address, server.metadata, 1) as one:
        await one.unary(SEARCH, searches(range(hot)))
        again = searches(anybody(hot, 20))
        await one.unary(SEARCH, again)
        repeated = await one.unary(SEARCH, again * (calls // len(again)))
    for clients in CLIENTS:
        async with Clients(server.address, server.metadata, clients) as many:
            unary = await many.unary(SEARCH, searches(anybody(hot, calls)))
            pages = await many.first_pages(searches(anybody(hot, calls), streamed=True))
            served.rows.append(Row(WARM, clients, unary, pages))
    served.rows.append(Row(ASKED_BEFORE, 1, repeated))
    if corpus.users > hot:
        async with Clients(server.address, server.metadata, 1) as one:
            served.rows.append(
                Row(ANYBODY, 1, await one.unary(SEARCH, searches(anybody(corpus.users, calls))))
            )


async def _measure_memory_calls(server: MnemonServer, calls: int, served: Served) -> None:
    """Adds without extraction, one at a time, and reads of what was added."""
    adds = [
        memory_service_pb2.AddMemoriesRequest(
            scope=scope_pb2.Scope(user_id=f"added-{number % 10}"),
            texts=[f"I told them number {number} of the story about the old ferry."],
            infer=False,
        ).SerializeToString()
        for number in range(calls)
    ]
    async with Clients(server.address, server.metadata, 1) as one:
        served.add = await one.unary(ADD, adds)
        stored = [memory_service_pb2.AddMemoriesResponse.FromString(each) for each in served.add.answers]
        gets = [
            memory_service_pb2.GetMemoryRequest(id=each.changes[0].memory.id).SerializeToString()
            for each in stored
        ]
        served.get = await one.unary(GET, gets)


@asynccontextmanager
async def _serving(directory: Path, **environment: str) -> AsyncIterator[MnemonServer]:
    """A server that has answered a search, of a user without memories, so that its code and model are
    loaded."""
    with MnemonServer(directory, environment) as server:
        async with Clients(server.address, server.metadata, 1) as one:
            request = pb.SearchRequest(query="Is anybody there?", scope=scope_pb2.Scope(user_id="nobody"))
            await one.unary(SEARCH, [request.SerializeToString()] * 5)
        yield server
        await asyncio.to_thread(server.stop)
