"""A hundred thousand memories go in and come out again, and the server's memory does not follow them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.scope_pb2 import Scope
from support.server import MnemonServer, running_server

MEMORIES = 100_000
MEMORIES_A_USER = 500
MESSAGE_ROWS = 400
MEBIBYTE = 1024 * 1024
GROWTH = 64 * MEBIBYTE
"""What caches, allocators and SQLite may take from the first fifth to the last: 100,000 memories are more."""


class Gauge:
    """The server's own resident memory (Milvus Lite's process, which holds rows, is another one)."""

    def __init__(self, server: MnemonServer) -> None:
        assert server.process is not None
        self._process = psutil.Process(server.process.pid)
        self.readings: list[tuple[int, int]] = []

    def read(self, done: int) -> None:
        """Note the memory after so many memories."""
        self.readings.append((done, self._process.memory_info().rss))

    @property
    def growth(self) -> int:
        """Bytes, from the first fifth to the highest reading after it."""
        settled = [size for done, size in self.readings if done <= MEMORIES // 5]
        later = [size for done, size in self.readings if done > MEMORIES // 5]
        return max(later) - max(settled)


def told(gauge: Gauge) -> Iterator[pb.ImportMemoriesRequest]:
    """The stream of an import; memory is read on the way."""
    yield pb.ImportMemoriesRequest(options=pb.ImportOptions(request_id="bulk"))
    for start in range(0, MEMORIES, MESSAGE_ROWS):
        gauge.read(start)
        rows = [
            pb.ImportRow(text=f"statement {number}", scope=Scope(user_id=f"user-{number // MEMORIES_A_USER}"))
            for number in range(start, start + MESSAGE_ROWS)
        ]
        yield pb.ImportMemoriesRequest(rows=pb.ImportRows(rows=rows))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_memories_in_and_out_in_bounded_memory(tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "data", MNEMON_EMBEDDING_PROVIDER="none") as server,
        server.channel() as channel,
    ):
        stub = MemoryServiceStub(channel)
        gauge = Gauge(server)
        result = stub.ImportMemories(told(gauge)).result
        assert (result.imported_count, result.duplicate_count) == (MEMORIES, 0)
        assert gauge.growth < GROWTH, gauge.readings[::25]
        gauge = Gauge(server)
        seen: set[str] = set()
        for message in stub.ExportMemories(pb.ExportMemoriesRequest(project_wide=True)):
            seen.update(memory.text for memory in message.memories)
            gauge.read(len(seen))
        assert seen == {f"statement {number}" for number in range(MEMORIES)}
        assert gauge.growth < GROWTH, gauge.readings[::25]
