"""What the same searches cost without Mnemon: one embedding, an exact scan, Milvus alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.speed.corpus import PROJECT, Corpus, questions, user, whole_vectors
from bench.speed.load import Timings
from bench.speed.vectors import DIMENSION, SPACE, Vectors, direction
from mnemon_service.index.milvus import lite_index
from mnemon_service.index.protocol import Selection
from mnemon_service.providers.embedding import Embedder
from mnemon_service.providers.local_embedding import LocalEmbedder

CALLS = 200
_COLLECTION = "memories"


@dataclass(frozen=True, slots=True)
class References:
    """Milliseconds of the parts alone."""

    embedding: Timings
    scan: Timings
    engine: Timings
    pymilvus: Timings


async def measure_references(
    corpus: Corpus, vectors: Vectors, directory: Path, models: Path, scratch: Path
) -> References:
    """All of them, for the data that a server left behind in `directory`."""
    return References(
        await one_embedding(models),
        await exact_scan(corpus),
        await engine_alone(directory / "index", corpus),
        await raw_pymilvus(corpus, vectors, scratch),
    )


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


async def exact_scan(corpus: Corpus) -> Timings:
    """The ten nearest of one user's vectors in numpy: the least that any engine could take."""
    generator = np.random.default_rng(1)
    held = np.stack([direction(generator) for _ in range(corpus.a_user)])
    queries = [direction(generator) for _ in range(CALLS)]
    wanted = min(10, corpus.a_user)

    async def scan(number: int) -> None:
        scores = held @ queries[number]
        best = np.argpartition(scores, -wanted)[-wanted:]
        best[np.argsort(-scores[best])]

    return await _timed(scan)


async def engine_alone(directory: Path, corpus: Corpus) -> Timings:
    """The ten nearest of one user in Milvus Lite, through the engine that the server uses and in its
    layout, in the data that the server left behind."""
    generator = np.random.default_rng(2)
    index = lite_index(directory, embedder=SPACE, dimensions=DIMENSION)
    await index.open()
    for number in range(min(corpus.users, 64)):  # every shard's files are loaded
        await index.search_dense(Selection(PROJECT, user(number)), direction(generator), 10)

    async def search(number: int) -> None:
        await index.search_dense(Selection(PROJECT, user(number % corpus.users)), direction(generator), 10)

    timings = await _timed(search)
    await index.close()
    return timings


async def raw_pymilvus(corpus: Corpus, vectors: Vectors, scratch: Path) -> Timings:
    """The ten nearest of one user as one would write it with pymilvus on a file: one collection of all
    memories, the user in the filter."""
    from milvus_lite.server_manager import server_manager_instance
    from pymilvus import MilvusClient

    client = await asyncio.to_thread(MilvusClient, str(scratch / "raw.db"))
    await asyncio.to_thread(_make_collection, client)
    for number in range(corpus.users):
        texts = corpus.texts(number)
        made = await whole_vectors(corpus, number, vectors)
        rows = [
            {"id": f"{number}-{place}", "user_id": user(number).user_id, "text": text, "vector": vector}
            for place, (text, vector) in enumerate(zip(texts, made, strict=True))
        ]
        await asyncio.to_thread(client.upsert, _COLLECTION, rows)
    await asyncio.to_thread(client.flush, _COLLECTION)
    await asyncio.to_thread(client.load_collection, _COLLECTION)
    generator = np.random.default_rng(3)

    async def search(number: int) -> None:
        client.search(
            _COLLECTION,
            [direction(generator).tolist()],
            filter=f"user_id == '{user(number % corpus.users).user_id}'",
            limit=10,
            output_fields=["text"],
            search_params={"metric_type": "COSINE"},
        )

    for number in range(3):
        await search(number)
    timings = await _timed(search)
    client.close()
    server_manager_instance.release_all()  # else it goes on beside what is measured next
    return timings


def _make_collection(client: object) -> None:
    from pymilvus import DataType, MilvusClient

    assert isinstance(client, MilvusClient)
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("user_id", DataType.VARCHAR, max_length=64)
    schema.add_field("text", DataType.VARCHAR, max_length=4096)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    indexes = client.prepare_index_params()
    # Without an index Milvus Lite compares every vector of the filter: exact, as all here.
    indexes.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_collection(_COLLECTION, schema=schema, index_params=indexes)


async def _timed(work: Callable[[int], Awaitable[None]]) -> Timings:
    timings = Timings()
    begun = time.perf_counter()
    for number in range(CALLS):
        started = time.perf_counter()
        await work(number)
        timings.milliseconds.append((time.perf_counter() - started) * 1000)
    timings.seconds = time.perf_counter() - begun
    return timings
