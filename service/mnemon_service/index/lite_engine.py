"""Milvus Lite in a process of its own, beside the server.

Why a process, measured with 5,000 rows and eight searches at a time: with Milvus Lite inside the
server, its event loop stood still for 10 ms at p95 and up to 66 ms, with it outside 2 ms and 13 ms.
Why its engine and not its gRPC: without pymilvus (pandas and all) the server stays 110 MB smaller
and starts 1.7 s sooner, and no port is open that another user of the machine could read from.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from mnemon_service.index.engine import CollectionDamaged, CollectionMissing, EngineError, Found, Record
from mnemon_service.index.expressions import quote
from mnemon_service.index.lite_frames import (
    HEADER,
    MAXIMUM_FRAME,
    Message,
    join_vectors,
    pack,
    split_vectors,
    unpack,
)
from mnemon_service.index.protocol import Vector

PAGE: Final = 1_000
"""Rows of one page of a scan."""
MEMTABLE_BYTES: Final = 262_144
"""Rows in memory cost a search 20 µs each, rows in files under one: so they go to files early."""
ENVIRONMENT: Final = {
    "MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES": str(MEMTABLE_BYTES),
    "OMP_NUM_THREADS": "1",
    # Give back what merging files took: 141 instead of 233 MB after 10,000 rows.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""Of the Milvus Lite process."""
START_TIMEOUT: Final = 30.0
STOP_TIMEOUT: Final = 20.0

_ERRORS: Final[dict[str, type[EngineError]]] = {"missing": CollectionMissing, "damaged": CollectionDamaged}


class LiteEngine:
    """The server's end of the Milvus Lite process; starts it when it is first needed."""

    kind = "milvus-lite"

    def __init__(self, directory: Path, *, timeout: float = 10.0) -> None:
        self._directory = directory
        self._timeout = timeout
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._stopped = False
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Message, list[Any]]]] = {}
        self.broken_off = False
        """True once the process ended without being asked to: what it held may be lost."""

    @property
    def process_id(self) -> int | None:
        """Of the running process; None if there is none."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        self._stopped = False
        await self._ensure_running()

    async def _ensure_running(self) -> None:
        async with self._starting:
            if self._process is not None:
                return
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            environment = {**os.environ, **ENVIRONMENT}
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "mnemon_service.index.lite_process",
                str(self._directory),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                limit=1 << 20,
            )
            ready: asyncio.Future[tuple[Message, list[Any]]] = asyncio.get_running_loop().create_future()
            self._waiting[0] = ready
            self._process = process
            self._reader = asyncio.create_task(self._read(process), name="milvus-lite reader")
            try:
                await self._answered(0, ready, START_TIMEOUT)
            except BaseException:  # another process has the directory, or the caller gave up
                self._process = None
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                raise

    async def stop(self) -> None:
        self._stopped = True
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101 - asked for above
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            self.broken_off = True
            process.kill()
            await process.wait()
        if self._reader is not None:
            await self._reader

    async def version(self) -> str:
        return str((await self._call("version"))[0])

    async def list_collections(self) -> list[str]:
        return list((await self._call("list"))[0])

    async def create(self, collection: str, dimensions: int) -> None:
        await self._call("create", collection=collection, dimensions=max(dimensions, 2))

    async def drop(self, collection: str) -> None:
        await self._call("drop", collection=collection)

    async def upsert(self, collection: str, records: Sequence[Record]) -> None:
        plain, vectors = split_vectors(records)
        await self._call("upsert", vectors, collection=collection, records=plain, dimensions=len(vectors[0]))

    async def delete(self, collection: str, ids: Sequence[str]) -> None:
        await self._call("delete", collection=collection, ids=list(ids))

    async def get(self, collection: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        rows, vectors = await self._call("get", collection=collection, ids=list(ids), fields=list(fields))
        return join_vectors(rows, vectors)

    async def pages(
        self, collection: str, expression: str, fields: Sequence[str]
    ) -> AsyncIterator[list[Record]]:
        last = ""
        while True:
            part = f"id > {quote(last)}"
            rows, vectors = await self._call(
                "page",
                collection=collection,
                expression=f"{part} and ({expression})" if expression else part,
                fields=list(fields),
                limit=PAGE,
            )
            if rows:
                yield join_vectors(rows, vectors)
            if len(rows) < PAGE:
                return
            last = rows[-1]["id"]

    async def search_dense(
        self, collection: str, vector: Vector, expression: str, limit: int, fields: Sequence[str]
    ) -> list[Found]:
        hits, _ = await self._call(
            "dense",
            [vector],
            collection=collection,
            expression=f"has_vector == true and {expression}",
            limit=limit,
            fields=list(fields),
            dimensions=len(vector),
        )
        return [Found(**hit) for hit in hits]

    async def search_sparse(
        self, collection: str, text: str, expression: str, limit: int, fields: Sequence[str]
    ) -> list[Found]:
        hits, _ = await self._call(
            "sparse",
            collection=collection,
            text=text,
            expression=expression,
            limit=limit,
            fields=list(fields),
        )
        return [Found(**hit) for hit in hits]

    async def compact(self, collection: str) -> None:
        """Nothing to ask for: it merges files by itself, and the index rewrites what must be gone."""

    async def count(self, collection: str) -> int:
        return int((await self._call("count", collection=collection))[0])

    async def _call(
        self, call: str, vectors: Sequence[Any] = (), **arguments: object
    ) -> tuple[Any, list[Any]]:
        if not self._stopped:
            await self._ensure_running()
        process = self._process
        if process is None or process.stdin is None:
            raise EngineError("Milvus Lite is stopped")
        number = next(self._numbers)
        future: asyncio.Future[tuple[Message, list[Any]]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            process.stdin.write(pack({"number": number, "call": call, **arguments}, vectors))
            await process.stdin.drain()
        except (OSError, RuntimeError) as error:
            self._waiting.pop(number, None)
            raise EngineError("Milvus Lite does not read") from error
        return await self._answered(number, future, self._timeout)

    async def _answered(
        self, number: int, future: asyncio.Future[tuple[Message, list[Any]]], timeout: float
    ) -> tuple[Any, list[Any]]:
        try:
            message, vectors = await asyncio.wait_for(future, timeout)
        except TimeoutError as error:
            raise EngineError("Milvus Lite does not answer in time") from error
        finally:
            self._waiting.pop(number, None)
        if failure := message.get("error"):
            error_type = _ERRORS.get(failure, EngineError)
            raise error_type(f"Milvus Lite: {message['type']}", retry=failure != "refused")
        return message["result"], vectors

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand each answer to who waits for it, until the process ends."""
        stream = process.stdout
        assert stream is not None  # noqa: S101 - asked for in start
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                text_size, block_size = HEADER.unpack(await stream.readexactly(HEADER.size))
                if text_size + block_size > MAXIMUM_FRAME:
                    break
                message, vectors = unpack(
                    await stream.readexactly(text_size), await stream.readexactly(block_size)
                )
                future = self._waiting.get(message["number"])
                if future is not None and not future.done():
                    future.set_result((message, vectors))
        if self._process is process:  # nobody asked it to end
            self._process = None
            self.broken_off = True
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EngineError("Milvus Lite ended"))
