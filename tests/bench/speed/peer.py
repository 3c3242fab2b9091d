"""The same searches by mem0, as a library and behind FastAPI (`mem0_process.py`)."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench.quality.peer import ENVIRONMENT, local_model
from bench.speed.corpus import Corpus, questions, user, whole_vectors
from bench.speed.load import Call, Timings, anybody, dealt
from bench.speed.mem0_process import BOTH, DENSE
from bench.speed.vectors import Vector, Vectors
from support.server import REPOSITORY

LONGEST_ROUND_SECONDS = 90.0
"""Its searches hold the interpreter, so clients wait for each other: a number of clients whose first
answers would take longer in all is left out."""


@dataclass(frozen=True, slots=True)
class Mem0:
    """What mem0 took."""

    version: str
    fill_seconds: float
    library: dict[str, Timings]
    """By the way of searching."""
    served: dict[tuple[str, int], Timings]
    """By the way of searching and the number of clients."""


async def measure_mem0(
    corpus: Corpus, vectors: Vectors, clients: Sequence[int], calls: int, seconds: float
) -> Mem0:
    """Fills a fresh mem0 and asks it; each measurement begins no search after so many seconds."""
    async with _running(corpus, vectors, calls, seconds) as (process, answer):
        library = {
            way: Timings(times["milliseconds"], times["seconds"]) for way, times in answer["library"].items()
        }
        served = {}
        for way in (DENSE, BOTH):
            process.stdin.write(f"{way}\n".encode())
            await process.stdout.readline()
            for number in clients:
                if number * library[way].percentile(0.5) / 1000 <= LONGEST_ROUND_SECONDS:
                    served[way, number] = await _served(answer["port"], corpus, number, calls, seconds)
    return Mem0(answer["version"], answer["fill_seconds"], library, served)


@asynccontextmanager
async def _running(
    corpus: Corpus, vectors: Vectors, calls: int, seconds: float
) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    """Its process, which has measured itself as a library and serves now, and what it says of itself."""
    with tempfile.TemporaryDirectory(prefix="mnemon-mem0-") as name:
        folder = Path(name)
        (folder / "task.json").write_text(json.dumps(await _task(corpus, vectors, folder, calls, seconds)))
        process = await asyncio.create_subprocess_exec(
            *(ENVIRONMENT / "bin" / "python", Path(__file__).with_name("mem0_process.py")),
            folder / "task.json",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Without MEM0_DIR it would write to the home directory.
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(str(REPOSITORY / part) for part in ("service", "tests")),
                "MEM0_DIR": str(folder / "home"),
            },
            limit=1 << 24,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, json.loads(await process.stdout.readline())
        finally:
            process.stdin.close()
            await process.wait()


async def _task(corpus: Corpus, vectors: Vectors, folder: Path, calls: int, seconds: float) -> dict[str, Any]:
    texts: list[str] = []
    users: list[str] = []
    made: list[Vector] = []
    for number in range(corpus.users):
        told = corpus.texts(number)
        texts += told
        users += [user(number).user_id] * len(told)
        made += await whole_vectors(corpus, number, vectors)
    np.save(folder / "vectors.npy", np.array(made, np.float32))
    searches = [
        (user(number).user_id, question)
        for number, question in zip(anybody(corpus.users, calls), islice(questions(-1), calls), strict=True)
    ]
    return {
        "texts": texts,
        "users": users,
        "vectors": str(folder / "vectors.npy"),
        "model": str(local_model()),
        "searches": searches,
        "seconds": seconds,
    }


async def _served(port: int, corpus: Corpus, clients: int, calls: int, seconds: float) -> Timings:
    asked = islice(questions(-1 - clients), calls)
    requests = [
        json.dumps({"user_id": user(number).user_id, "query": question}).encode()
        for number, question in zip(anybody(corpus.users, calls), asked, strict=True)
    ]
    http = [httpx.AsyncClient(timeout=None) for _ in range(clients)]  # noqa: S113 (a slow answer counts)

    def call_of(client: httpx.AsyncClient) -> Call:
        async def call(request: bytes) -> tuple[float, bytes]:
            begun = time.perf_counter()
            response = await client.post(
                f"http://127.0.0.1:{port}/search",
                content=request,
                headers={"content-type": "application/json"},
            )
            milliseconds = (time.perf_counter() - begun) * 1000
            response.raise_for_status()
            return milliseconds, b""

        return call

    timings = await dealt([call_of(client) for client in http], requests, seconds)
    await asyncio.gather(*(client.aclose() for client in http))
    return timings
