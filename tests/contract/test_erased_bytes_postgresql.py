"""On PostgreSQL, what an operator does after an erasure takes the last bytes out of the server's files, and
nothing less does. `docs/security.md` gives the same steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from mnemon_service.record.record import Record
from support.postgres import PostgresServer, running_postgres
from support.records import PROJECT, add_texts, erase, rewrite

SECRET = "zq-planted-4711-secret"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of this test alone: its settings change, and all its files are searched."""
    with running_postgres() as running:
        yield running


async def keep_no_old_segments(server: PostgresServer) -> None:
    """Old segments of the log are otherwise kept under new names, bytes and all, until they are written
    over. A reload takes its time."""
    await server.execute("ALTER SYSTEM SET wal_recycle = off")
    await server.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(10):
        while True:
            connection = await asyncpg.connect(server.url("postgres"))
            value = await connection.fetchval("SHOW wal_recycle")
            await connection.close()
            if value == "off":
                return


def places_of(secret: str, data: Path) -> set[str]:
    """Which directories of the server have files that hold it."""
    return {
        path.relative_to(data).parts[0]
        for path in data.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    }


async def test_no_byte_is_left_in_tables_and_log_after_the_documented_steps(server: PostgresServer) -> None:
    name = await server.create_database()
    record = await Record.open(server.url(name))
    await record.projects.create(PROJECT)
    stored = await add_texts(record, [f"{SECRET} {place}" for place in range(50)])
    await rewrite(record, stored[0].id, f"again {SECRET}")
    await add_texts(record, ["what stays"])
    await server.execute("CHECKPOINT")
    assert places_of(SECRET, server.data) == {"base", "pg_wal"}

    await erase(record, *(memory.id for memory in stored))
    await record.retention.scrub()
    assert places_of(SECRET, server.data), "freed is not overwritten: the docs say so"

    await record.retention.scrub(rewrite=True)
    await server.execute("CHECKPOINT")
    assert places_of(SECRET, server.data) == {"pg_wal"}
    await keep_no_old_segments(server)
    for _ in range(2):  # a segment goes with the checkpoint after the one that last needed it
        await server.execute("SELECT pg_switch_wal()")
        await server.execute("CHECKPOINT")
    assert places_of(SECRET, server.data) == set()
    assert "base" in places_of("what stays", server.data)
    await record.close()
