"""Writes and reads of a real server, as its clients see them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from bench.record.times import Times
from mnemon.v1 import memory_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.scope_pb2 import Scope
from support.server import MnemonServer

if TYPE_CHECKING:
    from mnemon.v1.memory_service_pb2_grpc import MemoryServiceAsyncStub

CLIENTS = 16


@dataclass(frozen=True, slots=True)
class Served:
    """One database."""

    database: str
    add: Times
    update: Times
    get: Times
    adds_a_second: float


async def serve_and_measure(database: str, directory: Path, url: str, calls: int) -> Served:
    """Adds one after the other, changes and reads them, then adds from sixteen clients at once."""
    environment = {"MNEMON_EMBEDDING_PROVIDER": "none", "MNEMON_LOG_LEVEL": "error"}
    if url:
        environment["MNEMON_DATABASE_URL"] = url
    with MnemonServer(directory / "data", environment) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            asker = _Asker(channel, server.metadata)
            add, update, get = Times(), Times(), Times()
            for number in range(calls):
                with add.one():
                    memory_id = await asker.add(f"alone {number}", user=number % 10)
                with update.one():
                    await asker.update(memory_id, f"changed {number}")
                with get.one():
                    await asker.get(memory_id)
            begun = time.perf_counter()
            await asyncio.gather(*(_many(asker, client, calls) for client in range(CLIENTS)))
            rate = CLIENTS * calls / (time.perf_counter() - begun)
        server.stop()
    return Served(database, add, update, get, rate)


class _Asker:
    """Calls with the key of the server's project."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub: MemoryServiceAsyncStub = MemoryServiceStub(channel)
        self._metadata = metadata

    async def add(self, text: str, *, user: int) -> str:
        request = pb.AddMemoriesRequest(scope=Scope(user_id=f"user-{user}"), texts=[text], infer=False)
        answer: pb.AddMemoriesResponse = await self._stub.AddMemories(request, metadata=self._metadata)
        return answer.changes[0].memory.id

    async def update(self, memory_id: str, text: str) -> None:
        request = pb.UpdateMemoryRequest(memory=memory_pb2.Memory(id=memory_id, text=text))
        await self._stub.UpdateMemory(request, metadata=self._metadata)

    async def get(self, memory_id: str) -> None:
        await self._stub.GetMemory(pb.GetMemoryRequest(id=memory_id), metadata=self._metadata)


async def _many(asker: _Asker, client: int, calls: int) -> None:
    for number in range(calls):
        await asker.add(f"client {client} says {number}", user=client)
