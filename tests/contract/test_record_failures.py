"""A database that is away, locked or full is a stable error, and all works again when it is back."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import time
from pathlib import Path

import asyncpg
import pytest

from mnemon_service.model.errors import InvalidArgument, Reason, Unavailable
from mnemon_service.record import sqlite_database
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Selection
from mnemon_service.record.signal import LISTENER
from support.cutting_proxy import cutting_proxy
from support.postgres import PostgresServer
from support.records import ACTOR, ALL, PROJECT, add, memory, request


async def assert_unavailable(record: Record, *, reads: bool) -> None:
    with pytest.raises(Unavailable) as refused:
        await add(record, memory("lost"))
    assert refused.value.reason is Reason.RECORD_UNAVAILABLE
    assert refused.value.retry_after and refused.value.retry_after > 0
    assert "INSERT" not in refused.value.message
    if reads:
        assert len((await record.memories.list(ALL, Selection())).memories) == 1
    else:
        with pytest.raises(Unavailable):
            await record.memories.list(ALL, Selection())


async def opened(location: str | Path) -> Record:
    record = await Record.open(location)
    await record.projects.ensure(PROJECT)
    return record


async def test_a_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_database, "BUSY_TIMEOUT_SECONDS", 0.05)
    record = await opened(tmp_path / "mnemon.db")
    await add(record, memory("kept"))
    other = sqlite3.connect(tmp_path / "mnemon.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await assert_unavailable(record, reads=True)
    other.execute("ROLLBACK")
    other.close()
    [after] = await add(record, memory("after"))
    assert after.sequence == 2
    await record.close()


async def test_a_full_disk(tmp_path: Path) -> None:
    """`max_page_count` makes SQLite fail as a full disk does, at the same calls."""
    record = await opened(tmp_path / "mnemon.db")
    await add(record, memory("kept"))
    await record.database.outside_transaction("PRAGMA max_page_count=10")
    with pytest.raises(Unavailable):
        await add(record, *[memory("x" * 10_000) for _ in range(200)])
    assert len((await record.memories.list(ALL, Selection())).memories) == 1
    await record.database.outside_transaction("PRAGMA max_page_count=1000000")
    [after] = await add(record, memory("after"))
    assert after.sequence == 2
    await record.close()


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    record = await opened(tmp_path / "mnemon.db")
    await add(record, memory("kept"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}  # noqa: ASYNC240
    assert len(modes) == 3 and set(modes.values()) == {0o600}, modes
    await record.close()


async def test_writes_are_synchronised_with_the_disk(tmp_path: Path) -> None:
    record = await opened(tmp_path / "mnemon.db")
    for pragma, value in (
        ("synchronous", 2),
        ("journal_mode", "wal"),
        ("foreign_keys", 1),
        ("secure_delete", 1),
    ):
        found = await record.database.write(lambda c, p=pragma: c.exec_driver_sql(f"PRAGMA {p}").scalar())  # type: ignore[misc]
        assert found == value, pragma
    await record.close()


async def test_a_server_that_goes_and_comes_back(postgres_server: PostgresServer) -> None:
    name = await postgres_server.create_database()
    record = await opened(postgres_server.url(name))
    await add(record, memory("kept"))
    postgres_server.stop()
    try:
        await assert_unavailable(record, reads=False)
    finally:
        postgres_server.start()
    [after] = await add(record, memory("after"))
    assert after.sequence == 2
    other = await Record.open(postgres_server.url(name))
    await add(other, memory("from another replica"))
    assert await record.signal.wait_beyond(PROJECT, 2, timeout=30)
    await other.close()
    await record.close()
    await postgres_server.drop_database(name)


async def kill_listeners(server: PostgresServer, database: str) -> int:
    """End the connections that listen, and wait for their end; how many there were."""
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        killed = await connection.fetch(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = $1 AND application_name = $2",
            database,
            LISTENER,
        )
    finally:
        await connection.close()
    assert all(ended for (ended,) in killed)
    return len(killed)


async def test_a_commit_while_the_listener_is_cut_off_is_noticed_when_it_is_back(
    postgres_server: PostgresServer,
) -> None:
    """No later commit is needed to bring it to light."""
    name = await postgres_server.create_database()
    record, other = await opened(postgres_server.url(name)), await Record.open(postgres_server.url(name))
    await add(other, memory("kept"))
    assert await record.signal.wait_beyond(PROJECT, 0, timeout=30)
    waiting = asyncio.create_task(record.signal.wait_beyond(PROJECT, 1, timeout=30))
    anything = record.signal.changes_waiter()
    await postgres_server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    assert await kill_listeners(postgres_server, name) == 2
    await add(other, memory("while nobody listened"))
    assert not waiting.done()
    await postgres_server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    started = time.monotonic()
    assert await waiting
    await anything(30)
    assert time.monotonic() - started < 10
    assert not await record.signal.wait_beyond(PROJECT, 2, timeout=0.01)
    await add(other, memory("heard again"))
    assert await record.signal.wait_beyond(PROJECT, 2, timeout=30)
    await record.close()
    await other.close()
    await postgres_server.drop_database(name)


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_commit_whose_answer_is_lost(postgres_server: PostgresServer, cut: str) -> None:
    name = await postgres_server.create_database()
    async with cutting_proxy(postgres_server.port) as proxy:
        record = await opened(f"postgresql://mnemon@127.0.0.1:{proxy.port}/{name}")

        async def once() -> bytes:
            async with record.write(ALL, ACTOR, request()) as write:
                if write.stored_answer is not None:
                    return write.stored_answer
                write.answer(write.add(memory("one")).memory.id.encode())
            return write.versions[0].memory.id.encode()

        proxy.armed = cut
        if cut == "before":
            with pytest.raises(Unavailable):
                await once()
            assert await record.log.last_sequence(ALL) == 0
        answer = await once()
        assert proxy.cuts == 1
        assert await once() == answer
        assert await record.log.last_sequence(ALL) == 1
        proxy.armed = "after"
        with pytest.raises(Unavailable):
            await add(record, memory("nobody knows whether"))
        assert await record.log.last_sequence(ALL) == 2
        await record.close()
    await postgres_server.drop_database(name)


async def test_a_servers_address_that_nobody_answers() -> None:
    with pytest.raises(Unavailable):
        await Record.open("postgresql://mnemon@127.0.0.1:1/none")


async def test_a_changed_or_foreign_page_token_is_refused(record: Record) -> None:
    await add(record, *[memory(str(number)) for number in range(3)])
    token = (await record.memories.list(ALL, Selection(), page_size=1)).next_page_token
    assert (await record.memories.list(ALL, Selection(), page_size=1, page_token=token)).memories
    for wrong in (token[:-2] + "AA", "A" + token[1:], "", "é", "x" * 5000):
        if wrong:
            with pytest.raises(InvalidArgument) as refused:
                await record.memories.list(ALL, Selection(), page_token=wrong)
            assert refused.value.reason is Reason.PAGE_TOKEN_INVALID
    with pytest.raises(InvalidArgument):
        await record.memories.list(ALL, Selection(show_deleted=True), page_token=token)
    for size in (0, 501):
        with pytest.raises(InvalidArgument):
            await record.memories.list(ALL, Selection(), page_size=size)
