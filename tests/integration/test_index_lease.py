"""Two replicas and one index: one writes at a time, who needs to is let, and a dead one loses the right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from mnemon_service.app.index_lease import RENEW_SECONDS, SharedIndexLease
from mnemon_service.index import engine
from mnemon_service.index.engine import EngineError
from mnemon_service.index.follower import Follower
from mnemon_service.index.layout import Identity, SingleLayout
from mnemon_service.index.lease import Lease
from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.index.server_engine import ServerEngine
from mnemon_service.record.record import Record
from support.index_engines import milvus_port
from support.index_rows import DIMENSIONS, EMBEDDER, row
from support.memory_log import MemoryLog
from support.postgres import PostgresServer, running_postgres

INDEX = "mnemon"
PROJECT = "project"
DOUBT_SECONDS = 3.0
"""Longer than a busy machine takes between a lost answer and its arrival in these tests."""
TAKEOVER_SECONDS = 0.5


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
async def leases(postgres_server: PostgresServer) -> AsyncIterator[list[SharedIndexLease]]:
    """Those of two replicas; the first one holds it."""
    name = await postgres_server.create_database()
    records = [await Record.open(postgres_server.url(name)) for _ in range(2)]
    leases = [SharedIndexLease(record, INDEX, takeover_seconds=TAKEOVER_SECONDS) for record in records]
    for lease in leases:
        await lease.start()
    yield leases
    for lease in leases:
        await lease.stop()
    for record in records:
        await record.close()
    await postgres_server.drop_database(name)


def holders(leases: list[SharedIndexLease]) -> list[bool]:
    return [lease.is_held() for lease in leases]


async def test_one_holds_it_and_goes_on_holding_it(leases: list[SharedIndexLease]) -> None:
    assert holders(leases) == [True, False]
    await asyncio.sleep(RENEW_SECONDS + 1)
    assert holders(leases) == [True, False]
    assert [lease.term for lease in leases] == [1, 0]


async def test_who_needs_it_gets_it_when_the_other_has_ended(leases: list[SharedIndexLease]) -> None:
    one, two = leases
    order: list[str] = []
    gained: list[bool] = []
    two.on_gain(gained.append)

    async def other() -> None:
        async with two.using():
            order.append("two")
            assert not one.is_valid()

    async with one.using():
        asking = asyncio.create_task(other())
        await asyncio.wait({asking}, timeout=1)
        assert not one.is_held() and one.is_valid()
        one.require()
        order.append("one")
    started = time.monotonic()
    await asking
    assert time.monotonic() - started < 5
    assert order == ["one", "two"]
    assert gained == [False]
    assert holders(leases) == [False, True]


async def test_it_goes_to_and_fro_and_is_never_used_twice_at_once(leases: list[SharedIndexLease]) -> None:
    using = 0

    async def work(lease: SharedIndexLease) -> None:
        nonlocal using
        for _ in range(5):
            async with lease.using():
                using += 1
                assert using == 1
                await asyncio.sleep(0.01)
                using -= 1

    await asyncio.gather(*(work(lease) for lease in leases))
    assert sum(lease.term for lease in leases) >= 2


async def test_a_stop_hands_it_on_at_once(leases: list[SharedIndexLease]) -> None:
    one, two = leases
    await one.stop()
    assert not one.is_valid()
    started = time.monotonic()
    async with two.using():
        assert time.monotonic() - started < RENEW_SECONDS + 1


async def test_a_holder_that_dies_loses_it(leases: list[SharedIndexLease]) -> None:
    one, two = leases
    lapsed: list[bool] = []
    two.on_gain(lapsed.append)
    assert one._task is not None
    one._task.cancel()  # as a kill does: it says nothing any more
    async with asyncio.timeout(20), two.using():
        assert two.term == 1
    assert lapsed == [True]


class SlowEngine(ServerEngine):
    """A way to Milvus on which writes are held up, and whose answers may be lost."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.sent = asyncio.Event()
        self.arrives = asyncio.Event()
        self.arrives.set()
        self.loses_answers = False
        self.late: list[asyncio.Task[None]] = []

    async def upsert(self, collection: str, records: Sequence[engine.Record]) -> None:
        self.sent.set()
        if self.loses_answers:
            self.loses_answers = False
            self.late.append(asyncio.create_task(self._later(collection, records)))
            raise EngineError("no answer in time")
        await self._later(collection, records)

    async def _later(self, collection: str, records: Sequence[engine.Record]) -> None:
        arrives = self.arrives
        await arrives.wait()
        await super().upsert(collection, records)


class Replica:
    """A follower with its own way to the one index."""

    def __init__(self, uri: str, log: MemoryLog, lease: Lease | None) -> None:
        self.engine = SlowEngine(uri)
        identity = Identity(EMBEDDER, DIMENSIONS)
        self.index = MilvusIndex(self.engine, SingleLayout(self.engine, INDEX, identity), identity)
        self.follower = Follower(self.index, log, lease, doubt_seconds=DOUBT_SECONDS)

    async def held(self) -> list[tuple[str, str, int, int]]:
        """What the index holds."""
        return sorted([(e.project_id, e.memory_id, e.version, e.sequence) async for e in self.index.scan()])


async def test_an_older_state_does_not_overtake_a_newer_one_of_another_replica(
    leases: list[SharedIndexLease], tmp_path: Path
) -> None:
    """The first has compared and is about to write when the second would delete."""
    log = MemoryLog()
    with milvus_port(tmp_path) as uri:
        one, two = replicas = [Replica(uri, log, lease) for lease in leases]
        for replica in replicas:
            await replica.index.open()
        assert await one.follower.apply_now(PROJECT, [log.put(row(PROJECT, 1))])
        one.engine.arrives.clear()
        one.engine.sent.clear()
        newer = asyncio.create_task(one.follower.apply_now(PROJECT, [log.put(row(PROJECT, 2))], timeout=30))
        await one.engine.sent.wait()
        assert not await two.follower.apply_now(PROJECT, [log.remove(row(PROJECT, 2))])
        catching_up = asyncio.create_task(two.follower.catch_up(PROJECT))
        await asyncio.wait({catching_up}, timeout=0.5)
        assert not catching_up.done()
        one.engine.arrives.set()
        assert await newer
        assert await catching_up == 3
        assert await two.held() == await one.held() == log.entries_now()
        assert not await one.follower.apply_now(PROJECT, [log.put(row(PROJECT, 3))])
        assert await one.follower.catch_up(PROJECT) == 4
        assert await one.held() == log.entries_now()
        for replica in replicas:
            await replica.index.close()


async def test_what_arrives_after_its_answer_was_given_up_is_found_and_mended(tmp_path: Path) -> None:
    log = MemoryLog()
    with milvus_port(tmp_path) as uri:
        replica = Replica(uri, log, None)
        await replica.index.open()
        replica.engine.loses_answers = True
        replica.engine.arrives.clear()
        assert not await replica.follower.apply_now(PROJECT, [log.put(row(PROJECT, 1))])
        held_up, replica.engine.arrives = replica.engine.arrives, asyncio.Event()
        replica.engine.arrives.set()
        log.remove(row(PROJECT, 1))
        following = asyncio.create_task(replica.follower.run())
        while await log.positions():
            await log.wait_for_change(0.05)
        assert await replica.held() == []
        held_up.set()
        await asyncio.gather(*replica.engine.late)
        async with asyncio.timeout(20):
            while await replica.held():
                await log.wait_for_change(0.1)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert (await replica.follower.verify(PROJECT)).clean
        await replica.index.close()
