"""The schema goes up and down, equals what the code expects, and starts are safe side by side."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from mnemon_service import record as record_package
from mnemon_service.model.errors import FailedPrecondition
from mnemon_service.record import schema
from mnemon_service.record.database import Database
from mnemon_service.record.migrating import current_revision, migrate, newest_revision, revisions
from mnemon_service.record.postgresql_database import PostgresqlDatabase
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Selection
from mnemon_service.record.sqlite_database import SqliteDatabase
from support.records import ALL, PROJECT, add, memory


@pytest.fixture
async def empty(empty_location: str) -> AsyncIterator[Database]:
    """A database without any table."""
    opened: Database
    if empty_location.startswith("postgresql"):
        opened = PostgresqlDatabase(sa.make_url(empty_location), connections=2)
    else:
        opened = SqliteDatabase(Path(empty_location), readers=1)
    yield opened
    await opened.close()


async def test_the_migrated_schema_is_the_one_that_the_code_knows(
    empty: Database, empty_location: str
) -> None:
    for module in pkgutil.iter_modules(record_package.__path__, "mnemon_service.record."):
        importlib.import_module(module.name)
    await migrate(empty)
    url = f"sqlite+aiosqlite:///{empty_location}"
    if empty_location.startswith("postgresql:"):
        url = empty_location.replace("postgresql:", "postgresql+asyncpg:", 1)
    engine = create_async_engine(url)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return list(compare_metadata(context, schema.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
    assert await empty.read(current_revision) == newest_revision() == revisions()[-1]


async def test_every_step_goes_both_ways(empty: Database) -> None:
    for revision in (*revisions(), *reversed(revisions()), "base", "head"):
        await migrate(empty, revision)
        found = await empty.read(current_revision)
        assert found == {"base": None, "head": newest_revision()}.get(revision, revision)
    await migrate(empty, "base")
    tables = await empty.read(lambda connection: sa.inspect(connection).get_table_names())
    assert tables == ["alembic_version"]


async def test_data_outlives_a_restart_and_a_repeated_migration(location: str) -> None:
    record = await Record.open(location)
    await record.projects.create(PROJECT)
    [stored] = await add(record, memory("kept"))
    page = await record.memories.list(ALL, Selection(), page_size=1)
    await add(record, memory("more"))
    token = (await record.memories.list(ALL, Selection(), page_size=1)).next_page_token
    await record.close()
    record = await Record.open(location)
    assert page.memories == (stored,)
    assert await record.memories.get(ALL, stored.id) == stored
    assert (await record.memories.list(ALL, Selection(), page_token=token)).memories == (stored,)
    await record.retention.scrub()
    await record.close()
    await record.close()


async def test_replicas_that_start_together_migrate_once(empty_location: str) -> None:
    if not empty_location.startswith("postgresql"):
        pytest.skip("SQLite has one process")
    replicas = await asyncio.gather(*(Record.open(empty_location, connections=2) for _ in range(4)))
    await replicas[0].projects.create(PROJECT)
    assert (await replicas[3].projects.get(PROJECT)).id == PROJECT
    token = replicas[1].memories._tokens.issue("q", [1])
    assert replicas[2].memories._tokens.read("q", token) == [1]
    for replica in replicas:
        await replica.close()


async def test_a_newer_releases_database_is_left_alone(empty: Database) -> None:
    await migrate(empty)
    await empty.write(
        lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num='9999'")
    )
    with pytest.raises(FailedPrecondition):
        await migrate(empty)
