"""Each contract test of the record runs on both databases."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mnemon_service.record.record import Record
from support.postgres import PostgresServer, running_postgres
from support.records import OTHER_PROJECT, PROJECT, TestClock

Result = TypeVar("Result")
DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=DATABASES)
async def empty_location(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Where a database without any table is."""
    if request.param == "sqlite":
        yield str(tmp_path / "mnemon.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = await server.create_database()
    yield server.url(name)
    await server.drop_database(name)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: quicker than migrating one for each test."""
    path = tmp_path_factory.mktemp("record") / "mnemon.db"
    _in_a_loop_of_its_own(_migrate(path))
    return path


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """A migrated PostgreSQL database to copy."""
    name = _in_a_loop_of_its_own(postgres_server.create_database())
    _in_a_loop_of_its_own(_migrate(postgres_server.url(name)))
    return name


def _in_a_loop_of_its_own(work: Coroutine[Any, Any, Result]) -> Result:
    """What it answers; the test's own loop may be running in this thread."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()


async def _migrate(location: str | Path) -> None:
    await (await Record.open(location)).close()


@pytest.fixture(params=DATABASES)
async def location(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Where a migrated database is."""
    if request.param == "sqlite":
        copy = tmp_path / "mnemon.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), copy)
        copy.chmod(0o600)
        yield str(copy)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = await server.create_database(request.getfixturevalue("migrated_template"))
    yield server.url(name)
    await server.drop_database(name)


@pytest.fixture
def clock() -> TestClock:
    """The record's clock."""
    return TestClock()


@pytest.fixture
async def record(location: str, clock: TestClock) -> AsyncIterator[Record]:
    """An open record with two projects."""
    opened = await Record.open(location, clock=clock)
    for project_id in (PROJECT, OTHER_PROJECT):
        await opened.projects.create(project_id)
    yield opened
    await opened.close()


@pytest.fixture
async def records(location: str, clock: TestClock) -> AsyncIterator[list[Record]]:
    """Of two processes on one database."""
    opened = [await Record.open(location, clock=clock) for _ in range(2)]
    for project_id in (PROJECT, OTHER_PROJECT):
        await opened[0].projects.ensure(project_id)
    yield opened
    for record in opened:
        await record.close()
