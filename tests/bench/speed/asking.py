"""Clients that ask a running server, one after the other or together, and what they measured."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

import grpc

from bench.speed.corpus import questions, user
from mnemon.v1 import scope_pb2
from mnemon.v1 import search_service_pb2 as pb
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub

Metadata = tuple[tuple[str, str], ...]
Ask = Callable[[pb.SearchRequest], Coroutine[None, None, pb.SearchSummary]]


@dataclass
class Timings:
    """What one kind of call took, in milliseconds."""

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    """Wall time of all of them together."""
    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def percentile(self, share: float) -> float:
        """The time that this share of the calls did not exceed."""
        ordered = sorted(self.milliseconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    @property
    def throughput(self) -> float:
        """Calls a second."""
        return len(self.milliseconds) / self.seconds

    def stage(self, name: str) -> float:
        """The median time of a stage, as the server measured it."""
        return statistics.median(self.stages[name]) if self.stages[name] else 0.0


class Asker:
    """Asks one server."""

    def __init__(self, address: str, metadata: Metadata, users: int) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = SearchServiceStub(self._channel)
        self._metadata = metadata
        self._users = users
        self._seed = 0

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()

    async def once_each(self, users: Sequence[int]) -> Timings:
        """One search of each of these users, one after the other."""
        return await self._measured([list(users)], self._search)

    async def together(self, clients: int, calls: int, *, streamed: bool = False) -> Timings:
        """`calls` searches of random users by each of so many clients at once.

        Streamed, a call counts until its first page.
        """
        chance = random.Random(clients)
        asked = [[chance.randrange(self._users) for _ in range(calls)] for _ in range(clients)]
        return await self._measured(asked, self._first_page if streamed else self._search)

    async def _measured(self, asked: Sequence[Sequence[int]], ask: Ask) -> Timings:
        timings = Timings()
        begun = time.perf_counter()
        await asyncio.gather(*(self._client(users, ask, timings) for users in asked))
        timings.seconds = time.perf_counter() - begun
        return timings

    async def _client(self, users: Sequence[int], ask: Ask, timings: Timings) -> None:
        self._seed += 1
        for number, question in zip(users, questions(self._seed), strict=False):
            scope = scope_pb2.Scope(user_id=user(number).user_id)
            begun = time.perf_counter()
            summary = await ask(pb.SearchRequest(query=question, scope=scope))
            timings.milliseconds.append((time.perf_counter() - begun) * 1000)
            for stage in summary.usage.stages:
                timings.stages[stage.stage].append(stage.milliseconds)

    async def _search(self, request: pb.SearchRequest) -> pb.SearchSummary:
        response: pb.SearchResponse = await self._stub.Search(request, metadata=self._metadata)
        return response.summary

    async def _first_page(self, request: pb.SearchRequest) -> pb.SearchSummary:
        call = self._stub.StreamSearch(pb.StreamSearchRequest(search=request), metadata=self._metadata)
        try:
            await call.read()
        finally:
            call.cancel()
        return pb.SearchSummary()
