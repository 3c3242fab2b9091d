"""Two replicas on one PostgreSQL are told the same at the same time: it is stored once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mnemon_service.memory.ports import NoScreen
from mnemon_service.record.record import Record
from support.memory_world import MemoryWorld
from support.postgres import PostgresServer, running_postgres
from support.records import PROJECT

ROUNDS = 8
CARS = [f"a {color} car from Peter" for color in ("red", "green", "blue", "white")]


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
async def replicas(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[list[MemoryWorld]]:
    """Two of them, with nothing in common but the database."""
    name = await postgres_server.create_database()
    records = [await Record.open(postgres_server.url(name)) for _ in range(2)]
    await records[0].projects.create(PROJECT)
    yield [
        MemoryWorld(record, tmp_path / str(number), NoScreen(), {}) for number, record in enumerate(records)
    ]
    for record in records:
        await record.close()
    await postgres_server.drop_database(name)


async def test_one_fact_in_other_words_is_stored_once(replicas: list[MemoryWorld]) -> None:
    one, two = replicas
    for car in CARS:
        for _ in range(ROUNDS // 4):
            await asyncio.gather(one.add(f"I bought {car}."), two.add(f"I purchased {car}."))
    counted = Counter(car for text in await one.texts() for car in CARS if car.removeprefix("a ") in text)
    assert counted == dict.fromkeys(CARS, 1), await one.texts()


async def test_one_fact_in_the_same_words_is_stored_once(replicas: list[MemoryWorld]) -> None:
    for number in range(ROUNDS):
        said = f"My locker is number {number}."
        await asyncio.gather(*(replica.add(said) for replica in replicas))
        await asyncio.gather(*(replica.store(f"Locker {number} is Ana's") for replica in replicas))
    assert len(await replicas[0].known()) == 2 * ROUNDS


async def test_what_differs_is_stored_by_both(replicas: list[MemoryWorld]) -> None:
    one, two = replicas
    for number in range(ROUNDS):
        await asyncio.gather(
            one.add(f"I bought {number + 2} tickets to Rome."),
            two.add(f"I bought {number + 2} tickets to Oslo."),
        )
    assert len(await one.known()) == 2 * ROUNDS
