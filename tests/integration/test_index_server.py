"""What only a Milvus server does to its collections."""

from __future__ import annotations

from pathlib import Path

from pymilvus import MilvusClient

from mnemon_service.index.server_engine import server_index
from support.index_engines import milvus_port
from support.index_rows import DIMENSIONS, EMBEDDER, row


async def test_a_collection_that_the_server_released_is_loaded_again(tmp_path: Path) -> None:
    with milvus_port(tmp_path) as uri:
        index = server_index(uri, embedder=EMBEDDER, dimensions=DIMENSIONS)
        await index.open()
        await index.apply([row("project", 1)])
        client = MilvusClient(uri=uri)
        for name in client.list_collections():
            client.release_collection(name)
        client.close()
        assert [entry.sequence async for entry in index.scan("project")] == [1]
        await index.apply([row("project", 2)])
        assert (await index.statistics()).rows == 2
        await index.close()
