"""An upgrade keeps what earlier releases wrote, and leaves those of them that still run able to write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from mnemon_service.model.memory import EventTime, Precision
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.database import Database, database_at
from mnemon_service.record.migrating import migrate, newest_revision, revisions
from mnemon_service.record.record import Record
from mnemon_service.record.selection import AsOf, Selection
from support.records import ACTOR, ALL, ANA, BO, PROJECT, TestClock, add, delete, memory, request, rewrite

EARLIER = revisions()[:-1]


@pytest.fixture
async def database(location: str) -> AsyncIterator[Database]:
    opened = database_at(location, readers=1, connections=2)
    yield opened
    await opened.close()


async def fill(record: Record) -> None:
    """Some of everything that the first release could write."""
    await record.projects.create(PROJECT)
    when = EventTime(TestClock().now, Precision.MONTH)
    kept, changed, gone = await add(
        record,
        memory("kept", metadata={"a": [1, {"b": None}]}, categories=("x",), event_time=when),
        memory("before", BO),
        memory("gone"),
    )
    await rewrite(record, changed.id, "after")
    await delete(record, gone.id)
    async with record.write(ALL, ACTOR, request()) as write:
        await write.save_messages(ANA, [Message("I said it"), Message("and this")])
        await write.save_messages(BO, [Message("so did I")])
        write.save_embeddings("space", {"kept": np.ones(3, dtype=np.float32)})
        await write.enqueue("AddMemories", b"payload", scope=ANA)
        write.answer(b"answer")
    assert kept.text == "kept"


async def content(record: Record) -> dict[str, Any]:
    """All of it, read back."""
    versions, end = await record.log.after(ALL, 0)
    return {
        "now": (await record.memories.list(ALL, Selection(show_deleted=True))).memories,
        "then": (await record.memories.list(ALL, Selection(as_of=AsOf(sequence=3)))).memories,
        "log": (versions, end),
        "messages": await record.messages.last(ALL, ANA, 9),
        "newest": [await record.messages.newest(ALL, scope, 9) for scope in (ANA, BO, Scope())],
        "vector": (await record.embeddings.find(PROJECT, "space", ["kept"]))["kept"].tolist(),
        "operations": await record.operations.list(ALL),
        "answer": await record.stored_answer(ALL, request()),
        "entities": (await record.projects.get(PROJECT)).last_sequence,
    }


@pytest.mark.parametrize("revision", EARLIER)
async def test_what_an_earlier_schema_holds_is_read_by_this_release(
    location: str, database: Database, clock: TestClock, revision: str
) -> None:
    record = await Record.open(location, clock=clock)
    await fill(record)
    before = await content(record)
    await record.close()
    await migrate(database, revision)
    record = await Record.open(location, clock=clock)
    assert await content(record) == before
    claim = await record.operations.claim("worker", types=["AddMemories"], lease=timedelta(seconds=30))
    assert claim is not None
    assert claim.operation.payload == b"payload"
    [more] = await add(record, memory("more"))
    assert more.sequence == before["log"][1] + 1
    await record.close()


@pytest.mark.parametrize("revision", EARLIER)
async def test_a_release_that_still_runs_can_write_after_the_next_one_has_migrated(
    location: str, database: Database, revision: str
) -> None:
    """Tables and columns that an earlier release knows stay as they are; columns added to its tables are
    filled by themselves. So replicas are replaced one by one."""
    await migrate(database, revision)
    known = await tables_at(location)
    await migrate(database, str(newest_revision()))
    now = await tables_at(location)
    for table, columns in known.items():
        assert table in now
        for name, column in columns.items():
            assert str(now[table][name]["type"]) == str(column["type"]), f"{table}.{name}"
        for name in now[table].keys() - columns.keys():
            added = now[table][name]
            assert added["nullable"] or added["default"] is not None, f"{table}.{name}"


async def tables_at(location: str) -> dict[str, dict[str, Any]]:
    """The columns of every table, as SQLAlchemy finds them."""
    url = sa.make_url(location if "://" in location else f"sqlite:///{location}")
    driver = "postgresql+asyncpg" if url.drivername == "postgresql" else "sqlite+aiosqlite"
    engine = create_async_engine(url.set(drivername=driver))
    async with engine.connect() as connection:
        found = await connection.run_sync(_tables)
    await engine.dispose()
    return found


def _tables(connection: Connection) -> dict[str, dict[str, Any]]:
    found = sa.inspect(connection)
    return {
        table: {column["name"]: column for column in found.get_columns(table)}
        for table in found.get_table_names()
    }


async def test_the_only_process_of_a_record_takes_up_what_dead_ones_left(record: Record) -> None:
    async with record.write(ALL, ACTOR) as write:
        await write.enqueue("AddMemories", b"payload")
    long = timedelta(hours=1)
    assert await record.operations.claim("dead", types=["AddMemories"], lease=long) is not None
    assert await record.operations.claim("next", types=["AddMemories"], lease=long) is None
    await record.operations.release_all()
    claim = await record.operations.claim("next", types=["AddMemories"], lease=long)
    assert claim is not None
    assert claim.operation.attempts == 2
