"""A PostgreSQL server, over a pool of asyncpg's connections."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mnemon_service.record.database import Result, Transaction, Work, finished
from mnemon_service.record.dialects import POSTGRESQL
from mnemon_service.record.failures import failures_translated


class PostgresqlDatabase:
    """A PostgreSQL server: its own locks order the writers."""

    dialect = POSTGRESQL

    def __init__(self, url: sa.URL, *, connections: int) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=connections,
            max_overflow=connections,
            pool_timeout=10,
            pool_recycle=1800,
            json_serializer=_as_it_is,
            json_deserializer=_as_it_is,
            connect_args={
                "timeout": 5,
                "command_timeout": 60,
                "prepared_statement_cache_size": 500,
                "server_settings": {"application_name": "mnemon"},
            },
        )
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshots = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    async def read(self, work: Work[Result]) -> Result:
        with failures_translated():
            async with self._reading.connect() as connection:
                return await connection.run_sync(work)

    async def read_snapshot(self, work: Work[Result]) -> Result:
        with failures_translated():
            async with self._snapshots.connect() as connection:
                return await connection.run_sync(work)

    async def write(self, work: Work[Result]) -> Result:
        async with self.transaction() as transaction:
            return await transaction.commit(work)

    @contextlib.asynccontextmanager
    async def transaction(self, key: str = "") -> AsyncIterator[Transaction]:
        async with self._keyed_lock(key):
            with failures_translated():
                connection = await self._engine.connect()
            try:
                yield _PostgresqlTransaction(connection)
            finally:
                with failures_translated():
                    await finished(connection.close())

    @contextlib.asynccontextmanager
    async def _keyed_lock(self, key: str) -> AsyncIterator[None]:
        if not key:
            yield
            return
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            yield

    async def outside_transaction(self, statement: str) -> tuple[Any, ...] | None:
        with failures_translated():
            async with self._reading.connect() as connection:
                await connection.exec_driver_sql(statement)
        return None

    async def close(self) -> None:
        await self._engine.dispose()


class _PostgresqlTransaction:
    """A connection that begins by itself and is rolled back when it is given back."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, work: Work[Result]) -> Result:
        with failures_translated():
            return await self._connection.run_sync(work)

    async def commit(self, work: Work[Result]) -> Result:
        with failures_translated():
            result = await self._connection.run_sync(work)
            await finished(self._connection.commit())
            return result


def _as_it_is(value: str) -> str:
    """JSON passes through as text: `rows.py` reads and writes it, on both databases alike."""
    return value
