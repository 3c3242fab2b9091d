"""The command `record`: what the record costs on SQLite and PostgreSQL, and how that grows."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from bench.record.in_process import Grown, fill, measure
from bench.record.over_grpc import Served, serve_and_measure
from bench.report import Table
from mnemon_service.record.record import Record
from support.postgres import PostgresServer, running_postgres

SIZES = [1_000, 10_000]
DATABASES = ("sqlite", "postgresql")


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="record", description=__doc__)
    parser.add_argument("--memories", type=_numbers, default=SIZES, help="sizes, as 1000,10000,100000")
    parser.add_argument("--calls", type=int, default=200, help="calls in each measurement")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one")
    options = parser.parse_args(arguments)
    chosen = options.database or DATABASES
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres()) if "postgresql" in chosen else None
        places = [_Place(name, postgres) for name in chosen]
        grown = [
            asyncio.run(_grow(place, size, options.calls)) for place in places for size in options.memories
        ]
        served = [asyncio.run(_serve(place, options.calls)) for place in places]
    for table in (_served(served), _grown(grown)):
        print(table, end="\n\n")


class _Place:
    """Where empty databases of one kind come from."""

    def __init__(self, name: str, postgres: PostgresServer | None) -> None:
        self.name = name
        self._postgres = postgres

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[tuple[Path, str]]:
        """A directory, and the address of an empty database (a file in it for SQLite)."""
        with tempfile.TemporaryDirectory(prefix="mnemon-bench-") as directory:
            if self._postgres is None or self.name == "sqlite":
                yield Path(directory), ""
                return
            name = await self._postgres.create_database()
            yield Path(directory), self._postgres.url(name)
            await self._postgres.drop_database(name)


async def _grow(place: _Place, size: int, calls: int) -> Grown:
    async with place.empty() as (directory, url):
        record = await Record.open(url or directory / "mnemon.db")
        try:
            await fill(record, size)
            return await measure(record, place.name, size, calls)
        finally:
            await record.close()


async def _serve(place: _Place, calls: int) -> Served:
    async with place.empty() as (directory, url):
        return await serve_and_measure(place.name, directory, url, calls)


def _served(measured: Sequence[Served]) -> Table:
    table = Table(
        "Over gRPC without embeddings, milliseconds",
        ("database", "add p50", "add p95", "adds/s, 16 clients", "update p50", "update p95", "get p50"),
    )
    for one in measured:
        table.add(
            one.database,
            *(one.add.at(50), one.add.at(95), one.adds_a_second),
            *(one.update.at(50), one.update.at(95), one.get.at(50)),
        )
    return table


def _grown(measured: Sequence[Grown]) -> Table:
    table = Table(
        "In process by size, milliseconds (p50 unless said)",
        (
            *("database", "memories", "add", "add p95", "update", "list page", "as-of page", "as-of get"),
            *("history", "watch lag", "watch lag p99", "export rows/s"),
        ),
    )
    for one in measured:
        table.add(
            *(one.database, f"{one.memories:,}", one.add.at(50), one.add.at(95), one.update.at(50)),
            *(one.page.at(50), one.past_page.at(50), one.past_get.at(50), one.history.at(50)),
            *(one.watch_lag.at(50), one.watch_lag.at(99), one.exported_a_second),
        )
    return table


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]
