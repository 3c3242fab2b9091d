"""Many writers and readers at once: one order without gaps, nobody sees n+1 before n, waiters are woken."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from support.records import ACTOR, ALL, OTHER_PROJECT, PROJECT, add, memory, rewrite


async def test_writers_at_once_leave_one_order_without_gaps(record: Record) -> None:
    [shared] = await add(record, memory("shared"))

    async def writer(name: int) -> None:
        for turn in range(8):
            async with record.write(ALL, ACTOR) as write:
                await asyncio.sleep(0)
                write.add(memory(f"{name} {turn}"))
                write.add(memory(f"{name} {turn} too"))
            await rewrite(record, shared.id, f"by {name} in {turn}")

    async def reader(done: asyncio.Event) -> int:
        """Follows the log; fails on a gap or a step back."""
        position = 0
        while True:
            stop = done.is_set()
            rows, _ = await record.log.after(ALL, position, limit=7)
            assert [row.sequence for row in rows] == list(range(position + 1, position + 1 + len(rows)))
            position += len(rows)
            if stop and not rows:
                return position

    done = asyncio.Event()
    readers = [asyncio.create_task(reader(done)) for _ in range(3)]
    await asyncio.gather(*(writer(name) for name in range(6)))
    done.set()
    end = await record.log.last_sequence(ALL)
    assert end == 1 + 6 * 8 * 3
    assert await asyncio.gather(*readers) == [end] * 3
    history, _ = await record.log.versions_of(ALL, shared.id, newest_first=False)
    assert [row.memory.version for row in history] == list(range(1, 50))
    assert all(later.previous_text == one.memory.text for one, later in itertools.pairwise(history))


async def test_a_waiter_is_woken_by_the_commit(record: Record) -> None:
    assert not await record.signal.wait_beyond(PROJECT, 0, timeout=0.01)
    waiting = asyncio.create_task(record.signal.wait_beyond(PROJECT, 0, timeout=30))
    await asyncio.sleep(0)
    await add(record, memory("other"), access=Access(OTHER_PROJECT))
    started = time.monotonic()
    await add(record, memory("mine"))
    assert await waiting
    assert time.monotonic() - started < 5
    assert not await record.signal.wait_beyond(PROJECT, 1, timeout=0.01)


async def test_a_waiter_on_another_replica_is_woken(record: Record, location: str) -> None:
    if not location.startswith("postgresql"):
        pytest.skip("SQLite has one process: there is no other replica")
    replica = await Record.open(location)
    waiting = [
        asyncio.create_task(replica.signal.wait_beyond(PROJECT, 0, timeout=30)),
        asyncio.create_task(replica.signal.wait_operations(timeout=30)),
    ]
    await asyncio.sleep(0)
    started = time.monotonic()
    async with record.write(ALL, ACTOR) as write:
        write.add(memory("mine"))
        await write.enqueue("Work", b"")
    assert await waiting[0]
    await waiting[1]
    assert time.monotonic() - started < 5
    assert len((await replica.log.after(ALL, 0))[0]) == 1
    await replica.close()


async def test_a_project_made_anew_is_new_on_every_replica(record: Record, location: str) -> None:
    replica = await Record.open(location)
    await add(record, memory("one"), memory("two"))
    known = await replica.log.last_sequence(ALL)
    assert not location.startswith("postgresql") or await replica.signal.wait_beyond(PROJECT, 1, timeout=30)
    await record.projects.erase(PROJECT)
    record.signal.forget(PROJECT)
    await record.projects.create(PROJECT)
    await add(record, memory("of the new one"))
    if location.startswith("postgresql"):
        assert await replica.signal.wait_beyond(PROJECT, 0, timeout=30)
        assert not await replica.signal.wait_beyond(PROJECT, known - 1, timeout=0.1)
    assert await replica.log.last_sequence(ALL) == 1
    await replica.close()


async def test_a_cancelled_caller_leaves_the_database_usable(record: Record) -> None:
    async def endless() -> None:
        while True:
            await add(record, *[memory(str(number)) for number in range(20)])

    for pause in (0.0, 0.002, 0.005, 0.01, 0.02, 0.03):
        task = asyncio.create_task(endless())
        await asyncio.sleep(pause)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        before = await record.log.last_sequence(ALL)
        assert before % 20 == 0
        [added] = await add(record, memory("after"))
        assert added.sequence == before + 1
        async with record.write(ALL, ACTOR) as write:
            for _ in range(19):
                write.add(memory("fill"))
