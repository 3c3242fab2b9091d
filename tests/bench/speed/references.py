"""What the same searches cost without Mnemon: one embedding, an exact scan, the engine of the index alone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from bench.speed.asking import Timings
from bench.speed.corpus import DIMENSION, MEMORIES_A_USER, PROJECT, SPACE, direction, questions, user
from mnemon_service.index.milvus import lite_index
from mnemon_service.index.protocol import Selection
from mnemon_service.providers.embedding import Embedder
from mnemon_service.providers.local_embedding import LocalEmbedder

CALLS = 200


async def one_embedding(models: Path) -> Timings:
    """The query's vector from the local model."""
    embedder: Embedder = await LocalEmbedder.open(models)
    asked = questions(0)
    await embedder.embed_query(next(asked))

    async def embed(_: int) -> None:
        await embedder.embed_query(next(asked))

    timings = await _timed(embed)
    await embedder.close()
    return timings


async def exact_scan() -> Timings:
    """The ten nearest of one user's vectors in numpy: the least that any engine could take."""
    generator = np.random.default_rng(1)
    held = np.stack([direction(generator) for _ in range(MEMORIES_A_USER)])
    queries = [direction(generator) for _ in range(CALLS)]

    async def scan(number: int) -> None:
        scores = held @ queries[number]
        best = np.argpartition(scores, -10)[-10:]
        best[np.argsort(-scores[best])]

    return await _timed(scan)


async def engine_alone(directory: Path, users: int) -> Timings:
    """The ten nearest of one user in Milvus Lite, through the engine that the server uses, in the data
    that the server left behind."""
    generator = np.random.default_rng(2)
    index = lite_index(directory, embedder=SPACE, dimensions=DIMENSION)
    await index.open()
    for number in range(min(users, 64)):  # every shard's files are loaded
        await index.search_dense(Selection(PROJECT, user(number)), direction(generator), 10)

    async def search(number: int) -> None:
        await index.search_dense(Selection(PROJECT, user(number % users)), direction(generator), 10)

    timings = await _timed(search)
    await index.close()
    return timings


async def _timed(work: Callable[[int], Awaitable[None]]) -> Timings:
    timings = Timings()
    begun = time.perf_counter()
    for number in range(CALLS):
        started = time.perf_counter()
        await work(number)
        timings.milliseconds.append((time.perf_counter() - started) * 1000)
    timings.seconds = time.perf_counter() - begun
    return timings
