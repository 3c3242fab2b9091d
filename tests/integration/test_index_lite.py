"""Milvus Lite as a process: nothing lost between writers, nothing left after an erasure, no orphan."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from mnemon_service.index.engine import EngineError
from mnemon_service.index.lite_engine import LiteEngine
from mnemon_service.index.milvus import MilvusIndex, lite_index
from mnemon_service.index.protocol import IndexRow, Selection
from mnemon_service.index.server_engine import server_index
from mnemon_service.model.errors import Reason, Unavailable
from mnemon_service.model.scope import Scope
from support.index_rows import DIMENSIONS, EMBEDDER, new_project, row, unit_vector


def open_lite(directory: Path) -> MilvusIndex:
    return lite_index(directory, embedder=EMBEDDER, dimensions=DIMENSIONS)


async def test_eight_writers_lose_none_of_8000_acknowledged_rows(tmp_path: Path) -> None:
    index = open_lite(tmp_path)
    await index.open()
    project = new_project()
    writers, batches, size = 8, 10, 100

    def rows(writer: int, batch: int) -> list[IndexRow]:
        first = (writer * batches + batch) * size
        return [
            row(project, number, user=f"user-{number % 3}") for number in range(first + 1, first + size + 1)
        ]

    async def write(writer: int) -> None:
        for batch in range(batches):
            await index.apply(rows(writer, batch))

    await asyncio.gather(*(write(writer) for writer in range(writers)))
    expected = list(range(1, writers * batches * size + 1))
    assert sorted([entry.sequence async for entry in index.scan(project)]) == expected
    await index.close()
    again = open_lite(tmp_path)
    await again.open()
    assert not again.needs_verification
    assert sorted([entry.sequence async for entry in again.scan(project)]) == expected
    await again.close()


def files_holding(directory: Path, secret: bytes) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file() and secret in path.read_bytes()]


@pytest.mark.parametrize("by", ["rows", "project"])
async def test_after_an_erasure_no_byte_of_a_secret_is_left_in_any_file(tmp_path: Path, by: str) -> None:
    index = open_lite(tmp_path)
    await index.open()
    secret = os.urandom(16).hex()
    project, bystander = new_project(), new_project()
    await index.apply([row(bystander, number, user="ana") for number in range(1, 41)])
    told = [
        row(
            project,
            number,
            tokens=(secret,),
            entities=(f"name {secret}",),
            metadata={"told": secret},
            categories=(secret,),
        )
        for number in range(1, 41)
    ]
    await index.apply(told)
    await index.apply([row(project, number, sequence=100 + number) for number in range(1, 21)])
    await index.apply([], [entry.key for entry in told[20:30]])
    assert files_holding(tmp_path, secret.encode())
    if by == "rows":
        await index.erase([entry.key for entry in told])
    else:
        await index.drop_project(project)
    assert files_holding(tmp_path, secret.encode()) == []
    assert [entry async for entry in index.scan(project)] == []
    assert len([entry async for entry in index.scan(bystander)]) == 40
    await index.close()
    assert files_holding(tmp_path, secret.encode()) == []


async def test_an_idle_index_makes_no_collection(tmp_path: Path) -> None:
    index = open_lite(tmp_path)
    await index.open()
    assert await index.search_dense(Selection("project", Scope(user_id="ana")), unit_vector(1), 5) == []
    assert (await index.statistics()).collections == 0
    await index.close()


async def test_the_engine_ends_with_the_server_however_that_ends(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys, time\n"
        "from pathlib import Path\n"
        "from mnemon_service.index.lite_engine import LiteEngine\n"
        "async def main():\n"
        "    engine = LiteEngine(Path(sys.argv[1]))\n"
        "    await engine.start()\n"
        "    print(engine.process_id, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    engine = psutil.Process(int(await server.stdout.readline()))
    server.kill()
    await server.wait()
    await asyncio.to_thread(psutil.wait_procs, [engine], 10)
    assert not engine.is_running()


async def test_a_directory_in_use_is_waited_for_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnemon_service.index.lite_engine.START_TIMEOUT", 2.0)
    first, second = open_lite(tmp_path), open_lite(tmp_path)
    await first.open()
    await first.apply([row("project", 1)])
    await second.open()
    with pytest.raises(Unavailable):
        await second.statistics()
    assert len([entry async for entry in first.scan()]) == 1
    await second.close()
    await first.close()


async def test_a_server_that_is_away_costs_one_wait_and_then_none() -> None:
    index = server_index("http://127.0.0.1:1", embedder=EMBEDDER, dimensions=DIMENSIONS, timeout=1.0)
    await index.open()
    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(Unavailable) as refused:
            await index.search_dense(Selection("project", Scope(user_id="ana")), unit_vector(1), 5)
        assert refused.value.reason is Reason.INDEX_UNAVAILABLE
        assert refused.value.retry_after
    assert time.monotonic() - started < 2.0
    await index.close()


async def test_a_stopped_engine_stays_so_until_it_is_started(tmp_path: Path) -> None:
    engine = LiteEngine(tmp_path)
    await engine.start()
    await engine.stop()
    with pytest.raises(EngineError):
        await engine.version()
    await engine.start()
    assert await engine.version() == "3.2.2"
    await engine.stop()
    assert not engine.broken_off
