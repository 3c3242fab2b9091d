"""What fault tests share: a PostgreSQL server, and the seed of a campaign."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator

import pytest

from support.postgres import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database."""
    name = asyncio.run(postgres_server.create_database())
    yield postgres_server.url(name)
    asyncio.run(postgres_server.drop_database(name))


@pytest.fixture
def seed() -> str:
    """Of the campaign; a failing test shows it, and `FAULT_SEED` replays it."""
    chosen = os.environ.get("FAULT_SEED") or f"{random.SystemRandom().randrange(2**32):08x}"
    print(f"seed {chosen}: replay with FAULT_SEED={chosen}")
    return chosen
