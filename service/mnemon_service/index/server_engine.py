"""A Milvus server (2.5 or later) or Zilliz Cloud, reached by its URI.

The synchronous client in threads of its own: measured against the asynchronous one it was as fast
and held the event loop no longer, and only it has iterators. Imported only where a URI is set, as
pymilvus brings pandas with it (110 MB, 1.7 s).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from pymilvus import DataType, Function, FunctionType, MilvusClient
from pymilvus.exceptions import MilvusException

from mnemon_service.index.engine import CollectionMissing, EngineError, Found, Record
from mnemon_service.index.expressions import ids_expression
from mnemon_service.index.layout import Identity, SingleLayout
from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.index.protocol import Vector
from mnemon_service.index.rows import INTEGER_FIELDS, LONGEST_ID, MAXIMUM_BYTES, STRING_FIELDS

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its messages quote expressions and rows

Answer = TypeVar("Answer")

THREADS: Final = 16
PAGE: Final = 1_000
PARTITIONS: Final = 64
SEARCH_WIDTH: Final = 128
"""HNSW `ef`: candidates kept while searching; raised to the limit where that is larger."""

_MISSING: Final = frozenset({4, 100})
"""Codes of a collection that is not there: the old and the new one."""
_REFUSED: Final = frozenset({6, 1100})
"""Codes of a request that stays wrong: illegal argument, invalid parameter."""
_ALIAS_MISSING: Final = 1600
_NOT_LOADED: Final = 101


def server_index(
    uri: str,
    *,
    embedder: str,
    dimensions: int,
    token: str = "",
    database: str = "",
    alias: str = "mnemon",
    timeout: float = 10.0,
    consistency: str = "Session",
) -> MilvusIndex:
    """The index on a server.

    `token` is `user:password` or an API key. `alias` names the index within the database. `timeout`
    bounds each call, in seconds. `consistency` of searches: `Session` sees all writes of this process
    at once; with several replicas on one server take `Strong`, which waits for the others' writes.
    """
    identity = Identity(embedder, dimensions)
    engine = ServerEngine(uri, token=token, database=database, timeout=timeout, consistency=consistency)
    return MilvusIndex(engine, SingleLayout(engine, alias, identity), identity)


class _NotLoaded(EngineError):
    """The collection is there and answers nothing until it is loaded: its maker was stopped half way, or the
    server forgot it or released it."""


class ServerEngine:
    """An engine over pymilvus."""

    broken_off = False

    def __init__(
        self,
        uri: str,
        *,
        token: str = "",
        database: str = "",
        timeout: float = 10.0,
        consistency: str = "Session",
    ) -> None:
        host = urlsplit(uri).hostname or ""
        self.kind = "zilliz-cloud" if host.endswith(("zillizcloud.com", "zilliz.com")) else "milvus"
        self._uri = uri
        self._token = token
        self._database = database
        self._timeout = timeout
        self._consistency = consistency
        self._client: MilvusClient | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="milvus")
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        async with self._starting:
            if self._client is None:
                self._client = await self._in_thread(
                    lambda: MilvusClient(
                        uri=self._uri, token=self._token, db_name=self._database, timeout=self._timeout
                    )
                )

    async def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await self._in_thread(client.close)

    async def version(self) -> str:
        return str(await self._call(lambda client: client.get_server_version(timeout=self._timeout)))

    async def list_collections(self) -> list[str]:
        return list(await self._call(lambda client: client.list_collections(timeout=self._timeout)))

    async def alias_target(self, alias: str) -> str | None:
        """See `AliasedEngine`."""

        def ask(client: MilvusClient) -> str | None:
            try:
                return str(client.describe_alias(alias, timeout=self._timeout)["collection_name"])
            except MilvusException as error:
                if error.code in {*_MISSING, _ALIAS_MISSING}:
                    return None
                raise

        return await self._call(ask)

    async def point_alias(self, alias: str, collection: str) -> None:
        """See `AliasedEngine`."""
        exists = await self.alias_target(alias) is not None

        def ask(client: MilvusClient) -> None:
            point = client.alter_alias if exists else client.create_alias
            point(collection, alias, timeout=self._timeout)

        await self._call(ask)

    async def create(self, collection: str, dimensions: int) -> None:
        def ask(client: MilvusClient) -> None:
            if not client.has_collection(collection, timeout=self._timeout):
                client.create_collection(
                    collection,
                    schema=_schema(max(dimensions, 2)),
                    num_partitions=PARTITIONS,
                    consistency_level=self._consistency,
                    timeout=self._timeout,
                )
                # An empty collection has nothing to wait for: the client would poll half a second a field.
                client.create_index(collection, self._indexes(), timeout=self._timeout, sync=False)
            client.load_collection(collection, timeout=self._timeout)

        await self._call(ask)

    async def drop(self, collection: str) -> None:
        await self._call(lambda client: client.drop_collection(collection, timeout=self._timeout))

    async def upsert(self, collection: str, records: Sequence[Record]) -> None:
        await self._loaded(
            collection, lambda client: client.upsert(collection, list(records), timeout=self._timeout)
        )

    async def delete(self, collection: str, ids: Sequence[str]) -> None:
        expression = ids_expression(list(ids))  # never `ids=`: pymilvus would not escape them
        await self._loaded(
            collection, lambda client: client.delete(collection, filter=expression, timeout=self._timeout)
        )

    async def get(self, collection: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        if not ids:
            return []
        rows = await self._loaded(
            collection,
            lambda client: client.query(
                collection,
                filter=ids_expression(list(ids)),
                output_fields=list(fields),
                consistency_level="Strong",
                timeout=self._timeout,
            ),
        )
        return [dict(row) for row in rows]

    async def pages(
        self, collection: str, expression: str, fields: Sequence[str]
    ) -> AsyncIterator[list[Record]]:
        iterator = await self._loaded(
            collection,
            lambda client: client.query_iterator(
                collection,
                batch_size=PAGE,
                filter=expression,
                output_fields=list(fields),
                consistency_level="Strong",
                timeout=self._timeout,
            ),
        )
        try:
            while page := await self._in_thread(iterator.next):
                yield [dict(row) for row in page]
        finally:
            await self._in_thread(iterator.close)

    async def search_dense(
        self, collection: str, vector: Vector, expression: str, limit: int, fields: Sequence[str]
    ) -> list[Found]:
        parameters = {"metric_type": "COSINE", "params": {"ef": max(SEARCH_WIDTH, limit)}}
        expression = f"has_vector == true and {expression}"
        return await self._search(collection, "vector", vector, expression, limit, fields, parameters)

    async def search_sparse(
        self, collection: str, text: str, expression: str, limit: int, fields: Sequence[str]
    ) -> list[Found]:
        found = await self._search(
            collection, "sparse", text, expression, limit, fields, {"metric_type": "BM25"}
        )
        # Milvus gives BM25 as a positive score, Milvus Lite behind a port as a negative distance.
        return [Found(hit.id, abs(hit.score), hit.fields) for hit in found]

    async def compact(self, collection: str) -> None:
        await self._call(lambda client: client.compact(collection, timeout=self._timeout))

    async def count(self, collection: str) -> int:
        rows = await self._loaded(
            collection,
            lambda client: client.query(
                collection,
                filter="",
                output_fields=["count(*)"],
                consistency_level="Strong",
                timeout=self._timeout,
            ),
        )
        return int(rows[0]["count(*)"])

    async def _search(
        self,
        collection: str,
        field: str,
        query: Any,  # noqa: ANN401 - a vector or a text, as the field takes it
        expression: str,
        limit: int,
        fields: Sequence[str],
        parameters: dict[str, Any],
    ) -> list[Found]:
        [hits] = await self._loaded(
            collection,
            lambda client: client.search(
                collection,
                data=[query],
                anns_field=field,
                filter=expression,
                limit=limit,
                output_fields=list(fields),
                search_params=parameters,
                consistency_level=self._consistency,
                timeout=self._timeout,
            ),
        )
        return [Found(str(hit["id"]), float(hit["distance"]), dict(hit["entity"])) for hit in hits]

    def _indexes(self) -> Any:  # noqa: ANN401 - pymilvus has no types
        indexes = MilvusClient.prepare_index_params()
        if self.kind == "zilliz-cloud":
            indexes.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
        else:
            indexes.add_index(
                "vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 200}
            )
        indexes.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        for field in (*STRING_FIELDS, *INTEGER_FIELDS):
            indexes.add_index(field, index_type="INVERTED")
        return indexes

    async def _call(self, ask: Callable[[MilvusClient], Answer]) -> Answer:
        await self.start()
        client = self._client
        return await self._in_thread(lambda: ask(client))

    async def _loaded(self, collection: str, ask: Callable[[MilvusClient], Answer]) -> Answer:
        """What a loaded collection answers; one that is not is loaded first."""
        try:
            return await self._call(ask)
        except _NotLoaded:
            await self._call(lambda client: client.load_collection(collection, timeout=self._timeout))
            return await self._call(ask)

    async def _in_thread(self, ask: Callable[[], Answer]) -> Answer:
        work = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        try:
            # pymilvus tries again within its own timeout; ours is for what it does not bound.
            return await asyncio.wait_for(work, self._timeout * 1.5)
        except TimeoutError as error:
            raise EngineError("Milvus does not answer in time") from error
        except MilvusException as error:
            if error.code in _MISSING:
                raise CollectionMissing("there is no such collection") from error
            if error.code == _NOT_LOADED:
                raise _NotLoaded("Milvus: the collection is not loaded") from error
            raise EngineError(f"Milvus: code {error.code}", retry=error.code not in _REFUSED) from error
        except Exception as error:
            raise EngineError(f"Milvus client: {type(error).__name__}") from error


def _schema(dimensions: int) -> Any:  # noqa: ANN401 - pymilvus has no types
    """The one schema, in pymilvus' words."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=LONGEST_ID)
    for name in STRING_FIELDS:
        partition = name == "owner_key"
        schema.add_field(name, DataType.VARCHAR, max_length=MAXIMUM_BYTES, is_partition_key=partition)
    for name in INTEGER_FIELDS:
        schema.add_field(name, DataType.INT64)
    schema.add_field("metadata", DataType.JSON)
    # Tokens hold ASCII letters and digits only: the standard analyser, the one that every Milvus
    # knows, leaves them whole.
    schema.add_field(
        "tokens",
        DataType.VARCHAR,
        max_length=MAXIMUM_BYTES,
        enable_analyzer=True,
        analyzer_params={"tokenizer": "standard"},
    )
    schema.add_field("has_vector", DataType.BOOL)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimensions)
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=["tokens"],
            output_field_names=["sparse"],
        )
    )
    return schema
