"""Milvus Lite as a process of its own: reads frames from its standard input, answers on its output.

It ends with its input, so it never outlives the server, whichever way that ends; then it writes what
is in memory and closes. Milvus Lite is not safe for calls that overlap on one collection (a reader
beside a flush misses rows, two writers lose them), so each collection has one lock for all calls.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final

from milvus_lite import __version__ as milvus_lite_version
from milvus_lite.db import MilvusLite
from milvus_lite.engine.collection import Collection
from milvus_lite.exceptions import CollectionNotFoundError, DataDirLockedError, SchemaValidationError
from milvus_lite.schema.types import CollectionSchema, DataType, FieldSchema, Function, FunctionType
from milvus_lite.search.filter import FilterError
from milvus_lite.storage.segment import Segment

from mnemon_service.index.lite_frames import HEADER, Message, join_vectors, pack, split_vectors, unpack
from mnemon_service.index.rows import INTEGER_FIELDS, LONGEST_ID, MAXIMUM_BYTES, STRING_FIELDS

_WORKERS: Final = 4
_LOCK_PATIENCE: Final = 15.0
"""Seconds to wait for the process of a server that was just killed to let go of the directory."""


class _WithoutPandas(MetaPathFinder):
    """Hides pandas: pyarrow imports it with its first conversion wherever it finds it, which costs 60 MB
    and most of a second for what nothing here needs."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuses pandas and leaves everything else to the next finder."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)
        return None


class _Damaged(Exception):
    """A collection's files cannot be read."""


def schema(dimensions: int) -> CollectionSchema:
    """The one schema, in Milvus Lite's words."""
    analyzer = {"tokenizer": "standard"}
    return CollectionSchema(
        fields=[
            FieldSchema("id", DataType.VARCHAR, is_primary=True, max_length=LONGEST_ID),
            *(FieldSchema(name, DataType.VARCHAR, max_length=MAXIMUM_BYTES) for name in STRING_FIELDS),
            *(FieldSchema(name, DataType.INT64) for name in INTEGER_FIELDS),
            FieldSchema("metadata", DataType.JSON),
            FieldSchema(
                "tokens",
                DataType.VARCHAR,
                max_length=MAXIMUM_BYTES,
                enable_analyzer=True,
                analyzer_params=analyzer,
            ),
            FieldSchema("has_vector", DataType.BOOL),
            FieldSchema("vector", DataType.FLOAT_VECTOR, dim=dimensions),
            FieldSchema("sparse", DataType.SPARSE_FLOAT_VECTOR, is_function_output=True),
        ],
        functions=[
            Function(
                name="bm25",
                function_type=FunctionType.BM25,
                input_field_names=["tokens"],
                output_field_names=["sparse"],
            )
        ],
    )


class _Columns(threading.local):
    """The columns that the search on this thread asks for; None for all."""

    wanted: Sequence[str] | None = None


_COLUMNS: Final = _Columns()
_all_columns_of = Segment.row_to_dict


def _wanted_columns_of(segment: Segment, row: int) -> dict[str, Any]:
    """Milvus Lite copies all 23 columns of each hit, the vector too, and then drops what was not asked
    for: 40 µs a hit, half of a search for a hundred. This reads only what was asked for."""
    if _COLUMNS.wanted is None:
        return dict(_all_columns_of(segment, row))
    return {name: segment.table.column(name)[row].as_py() for name in _COLUMNS.wanted}


class Process:
    """The calls that a frame may name, one method each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        _remove_torn(directory)
        self._database = _open_database(directory)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._locks_guard = threading.Lock()
        self._calls: dict[str, Callable[[Message, list[Any]], tuple[Any, list[Any]]]] = {
            "version": lambda _message, _vectors: (milvus_lite_version, []),
            "list": lambda _message, _vectors: (self._database.list_collections(), []),
            "create": self._create,
            "drop": self._drop,
            "upsert": self._upsert,
            "delete": self._delete,
            "get": self._get,
            "page": self._page,
            "dense": self._search,
            "sparse": self._search,
            "count": lambda message, _vectors: (self._open(message).num_entities, []),
        }

    def answer(self, message: Message, vectors: list[Any]) -> bytes:
        """The frame that answers one frame; errors are answers too, without any stored content."""
        try:
            with self._lock(message.get("collection", "")):
                result, found = self._calls[message["call"]](message, vectors)
            dimensions = len(found[0]) if found else 0
            return pack({"number": message["number"], "result": result, "dimensions": dimensions}, found)
        except Exception as error:
            return pack({"number": message["number"], "error": _kind(error), "type": type(error).__name__})

    def close(self) -> None:
        """Flush every collection and let go of the directory."""
        self._database.close()

    def _lock(self, collection: str) -> threading.Lock:
        with self._locks_guard:
            return self._locks[collection]

    def _open(self, message: Message) -> Collection:
        try:
            return self._database.get_collection(message["collection"])
        except CollectionNotFoundError:
            raise
        except Exception as error:
            raise _Damaged(type(error).__name__) from error

    def _create(self, message: Message, _vectors: list[Any]) -> tuple[None, list[Any]]:
        if not self._database.has_collection(message["collection"]):
            self._database.create_collection(message["collection"], schema(message["dimensions"]))
        return None, []

    def _drop(self, message: Message, _vectors: list[Any]) -> tuple[None, list[Any]]:
        name = message["collection"]
        try:
            self._database.drop_collection(name)
        except Exception:  # what cannot be closed any more can still be removed; its name is not used again
            shutil.rmtree(self._directory / "collections" / name)
        return None, []

    def _upsert(self, message: Message, vectors: list[Any]) -> tuple[None, list[Any]]:
        records = join_vectors(message["records"], [vector.tolist() for vector in vectors])
        self._open(message).upsert(records)
        return None, []

    def _delete(self, message: Message, _vectors: list[Any]) -> tuple[None, list[Any]]:
        self._open(message).delete(message["ids"])
        return None, []

    def _get(self, message: Message, _vectors: list[Any]) -> tuple[list[Message], list[Any]]:
        return split_vectors(self._open(message).get(message["ids"], output_fields=message["fields"]))

    def _page(self, message: Message, _vectors: list[Any]) -> tuple[list[Message], list[Any]]:
        rows = self._open(message).query(
            message["expression"],
            output_fields=message["fields"],
            limit=message["limit"],
            order_by_pk=True,
        )
        return split_vectors(rows)

    def _search(self, message: Message, vectors: list[Any]) -> tuple[list[Message], list[Any]]:
        dense = message["call"] == "dense"
        collection = self._open(message)
        _COLUMNS.wanted = message["fields"]
        try:
            [hits] = collection.search(
                [vectors[0].tolist()] if dense else [message["text"]],
                top_k=message["limit"],
                metric_type="COSINE" if dense else "BM25",
                expr=message["expression"],
                output_fields=message["fields"],
                anns_field="vector" if dense else "sparse",
            )
        finally:
            _COLUMNS.wanted = None
        sign = 1.0 if dense else -1.0  # Milvus Lite gives BM25 as a negative distance
        found = [
            {"id": hit["id"], "score": sign * float(hit["distance"]), "fields": hit["entity"]} for hit in hits
        ]
        return found, []


def _kind(error: Exception) -> str:
    if isinstance(error, CollectionNotFoundError):
        return "missing"
    if isinstance(error, _Damaged):
        return "damaged"
    return "refused" if isinstance(error, SchemaValidationError | FilterError) else "failed"


def _remove_torn(directory: Path) -> None:
    """Remove what looks like a collection but lost its schema: nothing would ever list or drop it."""
    for place in (directory / "collections").glob("*"):
        if place.is_dir() and not (place / "schema.json").exists():
            shutil.rmtree(place)


def _open_database(directory: Path) -> MilvusLite:
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            return MilvusLite(str(directory))
        except DataDirLockedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)  # a lock of another process: nothing here could wake us


def _serve(process: Process, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer frames until the input ends."""
    writing = threading.Lock()

    def answer(text: bytes, block: bytes) -> None:
        frame = process.answer(*unpack(text, block))
        with writing:
            sink.write(frame)
            sink.flush()

    with ThreadPoolExecutor(_WORKERS) as workers:
        while len(header := source.read(HEADER.size)) == HEADER.size:
            text_size, block_size = HEADER.unpack(header)
            workers.submit(answer, source.read(text_size), source.read(block_size))


def main() -> None:
    """Serve the directory named by the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when it ends
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)  # its messages may quote what is stored
    Segment.row_to_dict = _wanted_columns_of
    sys.meta_path.insert(0, _WithoutPandas())
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the frames
    process = Process(Path(sys.argv[1]))
    sink.write(pack({"number": 0, "result": True}))
    sink.flush()
    try:
        _serve(process, sys.stdin.buffer, sink)
    finally:
        process.close()


if __name__ == "__main__":
    main()
