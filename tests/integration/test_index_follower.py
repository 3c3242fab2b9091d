"""The index becomes equal to the log again, whatever happened to it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mnemon_service.index.follower import Follower
from mnemon_service.index.lite_engine import LiteEngine
from mnemon_service.index.milvus import MilvusIndex, lite_index
from mnemon_service.index.protocol import IndexKey, Selection
from mnemon_service.model.errors import FailedPrecondition, Reason, Unavailable
from mnemon_service.model.scope import Scope
from support.index_rows import DIMENSIONS, EMBEDDER, memory_id, row, unit_vector
from support.memory_log import MemoryLog

PROJECT = "project"


@asynccontextmanager
async def following(
    directory: Path, log: MemoryLog, *, timeout: float = 10.0
) -> AsyncIterator[tuple[MilvusIndex, Follower]]:
    index = lite_index(directory, embedder=EMBEDDER, dimensions=DIMENSIONS, timeout=timeout)
    await index.open()
    try:
        yield index, Follower(index, log)
    finally:
        await index.close()


def engine_of(index: MilvusIndex) -> LiteEngine:
    engine = index._engine
    assert isinstance(engine, LiteEngine)
    return engine


def signal_engine(index: MilvusIndex, number: signal.Signals) -> None:
    process_id = engine_of(index).process_id
    assert process_id is not None
    os.kill(process_id, number)


def must_verify(index: MilvusIndex) -> bool:
    return index.needs_verification


def must_rebuild(index: MilvusIndex) -> bool:
    return index.needs_rebuild


async def held(index: MilvusIndex) -> list[tuple[str, str, int, int]]:
    return sorted([(e.project_id, e.memory_id, e.version, e.sequence) async for e in index.scan()])


async def test_a_commit_is_applied_at_once_and_moves_the_cursor(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (index, follower):
        for number in range(1, 6):
            assert await follower.apply_now(PROJECT, [log.put(row(PROJECT, number))])
            assert log.cursors[PROJECT] == number
        assert await follower.apply_now(PROJECT, [log.remove(row(PROJECT, 2)), log.put(row(PROJECT, 3))])
        assert await held(index) == log.entries_now()
        assert await log.positions() == {}


async def test_commits_that_arrive_out_of_order_are_applied_in_order(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (index, follower):
        first = log.put(row(PROJECT, 1))
        second = log.remove(row(PROJECT, 1))
        third = log.put(row(PROJECT, 2))
        assert await follower.apply_now(PROJECT, [third])
        assert log.cursors[PROJECT] == 3
        assert await follower.apply_now(PROJECT, [second])
        assert await follower.apply_now(PROJECT, [first])
        assert await held(index) == log.entries_now()


async def test_concurrent_commits_leave_nothing_behind(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (index, follower):

        async def write(writer: int) -> None:
            for step in range(15):
                number = writer * 100 + step % 5 + 1
                assert await follower.apply_now(
                    PROJECT, [log.put(row(PROJECT, number, user=f"u{number % 4}"))]
                )

        await asyncio.gather(*(write(writer) for writer in range(6)))
        assert await held(index) == log.entries_now()
        assert log.cursors[PROJECT] == 90


async def test_an_index_that_hangs_defers_the_change_and_answers_quickly(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log, timeout=1.5) as (index, follower):
        assert await follower.apply_now(PROJECT, [log.put(row(PROJECT, 1))])
        signal_engine(index, signal.SIGSTOP)
        try:
            assert not await follower.apply_now(PROJECT, [log.put(row(PROJECT, 2))])
            assert not await follower.apply_now(PROJECT, [log.put(row(PROJECT, 3))])
            assert log.cursors[PROJECT] == 1
            started = time.monotonic()
            with pytest.raises(Unavailable) as refused:
                await index.search_dense(Selection(PROJECT, Scope(user_id="ana")), unit_vector(1), 5)
            assert time.monotonic() - started < 0.2
            assert refused.value.reason is Reason.INDEX_UNAVAILABLE
            assert refused.value.retry_after is not None and 0 < refused.value.retry_after <= 15
        finally:
            signal_engine(index, signal.SIGCONT)
        loop = asyncio.create_task(follower.run())
        async with asyncio.timeout(20):
            while await log.positions():
                await log.wait_for_change(0.05)
        loop.cancel()
        assert await held(index) == log.entries_now()


async def test_the_loop_follows_commits_that_nobody_applied(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (index, follower):
        loop = asyncio.create_task(follower.run())
        for number in range(1, 451):
            log.put(row(PROJECT, number))
            log.put(row(f"{PROJECT}-2", number))
        async with asyncio.timeout(20):
            while await log.positions():
                await log.wait_for_change(0.05)
        loop.cancel()
        assert await held(index) == log.entries_now()


async def test_verification_names_what_differs_and_repair_mends_it(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (index, follower):
        for number in range(1, 21):
            log.put(row(PROJECT, number, user=f"u{number % 3}"))
        await follower.catch_up(PROJECT)
        assert (await follower.verify(PROJECT)).clean
        await index.apply([], [IndexKey(PROJECT, memory_id(4))])
        await index.apply([row(PROJECT, 5, user="u2", sequence=5, version=9)])
        await index.apply([row(PROJECT, 6, user="u0", sequence=999, version=7)])
        await index.apply([row(PROJECT, 77, user="nobody")])
        await index.apply([row("unknown", 1)])
        report = await follower.verify(PROJECT)
        assert report.compared == 20
        assert [key.memory_id for key in report.missing] == [memory_id(4)]
        assert [key.memory_id for key in report.stale] == [memory_id(5), memory_id(6)]
        assert [key.memory_id for key in report.surplus] == [memory_id(77)]
        await follower.repair(report)
        assert (await follower.verify(PROJECT)).clean
        await follower.verify_and_repair_all()
        assert await held(index) == log.entries_now()


async def test_a_killed_engine_comes_back_and_the_index_equals_the_log(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (index, follower):
        for kill in range(3):
            for number in range(1, 41):
                memory = kill * 20 + number
                await follower.apply_now(PROJECT, [log.put(row(PROJECT, memory, user=f"u{memory % 3}"))])
                if number == 30:
                    signal_engine(index, signal.SIGKILL)
            async with asyncio.timeout(20):
                while True:
                    try:
                        await follower.catch_up_all()
                        break
                    except Unavailable as error:
                        await asyncio.sleep(error.retry_after or 0)
            assert await held(index) == log.entries_now()
            assert not must_verify(index)


async def test_after_a_clean_stop_nothing_is_verified(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (_, follower):
        await follower.apply_now(PROJECT, [log.put(row(PROJECT, 1))])
    async with following(tmp_path, log) as (index, _):
        assert not must_verify(index)
        assert await held(index) == log.entries_now()


@pytest.mark.parametrize("damage", ["garbage", "empty", "missing"])
async def test_broken_files_after_an_unclean_stop_are_replaced_from_the_record(
    tmp_path: Path, damage: str
) -> None:
    log = MemoryLog()
    killed = lite_index(tmp_path, embedder=EMBEDDER, dimensions=DIMENSIONS)
    await killed.open()
    follower = Follower(killed, log)
    for number in range(1, 61):
        log.put(row(PROJECT, number, user=f"u{number % 2}", metadata={"filler": "x" * 30_000}))
    await follower.catch_up(PROJECT)
    signal_engine(killed, signal.SIGKILL)
    files = [
        path for path in (tmp_path / "lite").rglob("*") if path.suffix in (".parquet", ".json", ".arrow")
    ]
    broken = [path for path in files if path.name != "database_properties.json"][::2]
    assert {path.suffix for path in broken} >= {".parquet"}
    for path in broken:
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(b"\x00garbage" * 40 if damage == "garbage" else b"")
    async with following(tmp_path, log) as (index, healer):
        assert must_verify(index)
        await healer.catch_up_all()
        assert not must_verify(index)
        assert await held(index) == log.entries_now()
        hits = await index.search_dense(Selection(PROJECT), unit_vector(0), 100)
        assert len(hits) == 60


async def test_a_torn_layout_file_means_a_rebuild_and_no_loss(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (_, follower):
        await follower.apply_now(PROJECT, [log.put(row(PROJECT, 1))])
    (tmp_path / "layout.json").write_text('{"generat')
    async with following(tmp_path, log) as (index, follower):
        assert must_rebuild(index)
        await follower.rebuild()
        assert not must_rebuild(index)
        assert await held(index) == log.entries_now()


async def test_another_embedder_needs_a_rebuild_which_keeps_up_with_writes(tmp_path: Path) -> None:
    log = MemoryLog()
    async with following(tmp_path, log) as (_, follower):
        for number in range(1, 31):
            log.put(row(PROJECT, number))
        await follower.catch_up_all()
    index = lite_index(tmp_path, embedder="another", dimensions=DIMENSIONS)
    await index.open()
    try:
        follower = Follower(index, log)
        assert must_rebuild(index)
        with pytest.raises(FailedPrecondition) as refused:
            await index.search_dense(Selection(PROJECT), unit_vector(1), 5)
        assert refused.value.reason is Reason.INDEX_MISMATCH
        rebuilding = asyncio.create_task(follower.rebuild())
        assert not await follower.apply_now(PROJECT, [log.put(row(PROJECT, 31))])
        await rebuilding
        await follower.catch_up_all()
        assert await held(index) == log.entries_now()
        assert index.description.generation == 2
    finally:
        await index.close()
