"""Clients that ask a running server, and what they measured.

All are tasks of one process, each with a connection of its own. Requests are written as bytes before the
clock starts and answers are read as bytes, so that the clients leave the processors to the server.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import grpc

from bench.speed.corpus import questions, user
from mnemon.v1 import memory_service_pb2, scope_pb2
from mnemon.v1 import search_service_pb2 as pb

Metadata = tuple[tuple[str, str], ...]
Call = Callable[[bytes], Coroutine[None, None, tuple[float, bytes]]]
"""Sends a request; the milliseconds that count, and the answer."""

SEARCH = "/mnemon.v1.SearchService/Search"
STREAM_SEARCH = "/mnemon.v1.SearchService/StreamSearch"
ADD = "/mnemon.v1.MemoryService/AddMemories"
GET = "/mnemon.v1.MemoryService/GetMemory"
SECONDS = 30.0
"""A measurement begins no further call after so long."""
_SEEDS = itertools.count(1)


@dataclass
class Timings:
    """What one kind of call took, in milliseconds."""

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    """Wall time of all of them together."""
    answers: list[bytes] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The time that this share of the calls did not exceed."""
        ordered = sorted(self.milliseconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    @property
    def three(self) -> tuple[float, float, float]:
        """p50, p95 and p99."""
        return self.percentile(0.5), self.percentile(0.95), self.percentile(0.99)

    @property
    def throughput(self) -> float:
        """Calls a second."""
        return len(self.milliseconds) / self.seconds

    def search_stages(self) -> dict[str, float]:
        """The median milliseconds of each stage of Search, as the server measured them."""
        return _stages(pb.SearchResponse.FromString(answer).summary.usage.stages for answer in self.answers)

    def add_stages(self) -> dict[str, float]:
        """The same of AddMemories."""
        return _stages(
            memory_service_pb2.AddMemoriesResponse.FromString(answer).usage.stages for answer in self.answers
        )


def _stages(answers: Iterable[Iterable[object]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for stages in answers:
        for one in stages:
            found.setdefault(one.stage, []).append(one.milliseconds)  # type: ignore[attr-defined]
    return {name: median(times) for name, times in found.items()}


def searches(users: Sequence[int], *, streamed: bool = False) -> list[bytes]:
    """Requests: a search of each of these users, none asked before."""
    made = []
    for number, question in zip(users, questions(next(_SEEDS)), strict=False):
        request = pb.SearchRequest(query=question, scope=scope_pb2.Scope(user_id=user(number).user_id))
        message = pb.StreamSearchRequest(search=request) if streamed else request
        made.append(message.SerializeToString())
    return made


def anybody(users: int, count: int) -> list[int]:
    """So many users by chance."""
    chance = random.Random(users + count)
    return [chance.randrange(users) for _ in range(count)]


class Clients:
    """So many clients of one server."""

    def __init__(self, address: str, metadata: Metadata, clients: int) -> None:
        own = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
        self._channels = [grpc.aio.insecure_channel(address, options=own) for _ in range(clients)]
        self._metadata = metadata

    async def __aenter__(self) -> Clients:
        """Connected, so that no call pays for it."""
        await asyncio.gather(*(channel.channel_ready() for channel in self._channels))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        await asyncio.gather(*(channel.close() for channel in self._channels))

    async def unary(self, method: str, requests: Sequence[bytes]) -> Timings:
        """The requests, dealt out to the clients; each client makes one call after the other."""

        def call_of(channel: grpc.aio.Channel) -> Call:
            stub: Any = channel.unary_unary(method)

            async def call(request: bytes) -> tuple[float, bytes]:
                begun = time.perf_counter()
                answer: bytes = await stub(request, metadata=self._metadata)
                return (time.perf_counter() - begun) * 1000, answer

            return call

        return await dealt([call_of(channel) for channel in self._channels], requests)

    async def first_pages(self, requests: Sequence[bytes]) -> Timings:
        """The same with StreamSearch: the time to the first page; each stream is then read to its end."""

        def call_of(channel: grpc.aio.Channel) -> Call:
            stub: Any = channel.unary_stream(STREAM_SEARCH)

            async def call(request: bytes) -> tuple[float, bytes]:
                begun = time.perf_counter()
                stream = stub(request, metadata=self._metadata)
                first: bytes = await stream.read()
                milliseconds = (time.perf_counter() - begun) * 1000
                while await stream.read() is not grpc.aio.EOF:
                    pass
                return milliseconds, first

            return call

        return await dealt([call_of(channel) for channel in self._channels], requests)


async def dealt(calls: Sequence[Call], requests: Sequence[bytes], seconds: float = SECONDS) -> Timings:
    """The requests, dealt out to callers that work at once, and what they took."""
    timings = Timings()
    waiting = iter(requests)
    begun = time.perf_counter()

    async def client(call: Call) -> None:
        while time.perf_counter() - begun < seconds and (request := next(waiting, None)) is not None:
            milliseconds, answer = await call(request)
            timings.milliseconds.append(milliseconds)
            timings.answers.append(answer)

    await asyncio.gather(*(client(call) for call in calls))
    timings.seconds = time.perf_counter() - begun
    return timings
