"""The implementations that the contract of the index is held against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from mnemon_service.index.milvus import MilvusIndex, lite_index
from mnemon_service.index.server_engine import server_index
from support.index_rows import DIMENSIONS, EMBEDDER

KINDS = ("lite", "server")


@asynccontextmanager
async def opened_index(kind: str, directory: Path) -> AsyncIterator[MilvusIndex]:
    """An open index of a kind; `server` is Milvus Lite behind its gRPC port, reached by URI."""
    if kind == "lite":
        index = lite_index(directory, embedder=EMBEDDER, dimensions=DIMENSIONS)
        await index.open()
        yield index
        await index.close()
        return
    with milvus_port(directory) as uri:
        index = server_index(uri, embedder=EMBEDDER, dimensions=DIMENSIONS)
        await index.open()
        yield index
        await index.close()


@contextmanager
def milvus_port(directory: Path) -> Iterator[str]:
    """The URI of a Milvus Lite that answers over gRPC like a server."""
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    server, database, port = start_server_in_thread(str(directory / "served"))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()
        database.close()
