"""Each contract test of the record runs on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mnemon_service.record.record import Record
from support.postgres import PostgresServer, running_postgres
from support.records import OTHER_PROJECT, PROJECT, TestClock

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=DATABASES)
async def location(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Where an empty database is."""
    if request.param == "sqlite":
        yield str(tmp_path / "mnemon.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = await server.create_database()
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
