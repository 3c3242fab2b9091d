"""A SQLite file: one connection that writes, several that read."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.record.database import Result, Transaction, Work, finished
from mnemon_service.record.dialects import SQLITE, SQLITE_FUNCTIONS
from mnemon_service.record.failures import failures_translated

BUSY_TIMEOUT_SECONDS: Final = 5.0
"""How long a SQLite writer waits for another process that holds the file's write lock."""
_CACHE_KIBIBYTES: Final = 32 * 1024
"""Page cache of each SQLite connection."""
_MAPPED_BYTES: Final = 256 * 1024 * 1024
"""How much of the file SQLite reads through mapped memory."""
_CHECKPOINT_PAGES: Final = 4000
"""Pages of 4 KiB in the write-ahead log before they are moved into the file: an add changes about 25, and
each move costs two waits for the disk."""
_WRITER: Final = "mnemon_writer"


class SqliteDatabase:
    """A SQLite file in WAL mode: every commit is on the disk when it returns (`synchronous=FULL`)."""

    dialect = SQLITE

    def __init__(self, path: Path, *, readers: int) -> None:
        _create_private(path)
        self._engine = _sqlite_engine(path)
        self._write_lock = asyncio.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="record-writer")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="record-reader")
        self._local = threading.local()
        self._connections: list[Connection] = []

    def _connection(self) -> Connection:
        """The connection of this thread."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine.connect()
            self._connections.append(connection)
        return connection

    def writing_connection(self) -> Connection:
        """The connection of the writer's thread."""
        return self._connection().execution_options(**{_WRITER: True})

    async def _in_thread(self, threads: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        with failures_translated():
            return await finished(asyncio.get_running_loop().run_in_executor(threads, work))

    async def in_writer(self, work: Callable[[], Result]) -> Result:
        """Run a function on the writer's thread."""
        return await self._in_thread(self._writer, work)

    async def read(self, work: Work[Result]) -> Result:
        def run() -> Result:
            connection = self._connection()
            with connection.begin():
                return work(connection)

        return await self._in_thread(self._readers, run)

    async def read_snapshot(self, work: Work[Result]) -> Result:
        return await self.read(work)

    async def write(self, work: Work[Result]) -> Result:
        async with self.transaction() as transaction:
            return await transaction.commit(work)

    @contextlib.asynccontextmanager
    async def transaction(self, key: str = "") -> AsyncIterator[Transaction]:
        async with self._write_lock:
            transaction = _SqliteTransaction(self)
            try:
                yield transaction
            finally:
                await self._in_thread(self._writer, transaction.roll_back)

    async def outside_transaction(self, statement: str) -> tuple[Any, ...] | None:
        def run() -> tuple[Any, ...] | None:
            driver = self._connection().connection.dbapi_connection
            if driver is None:
                return None
            cursor = driver.cursor()
            cursor.execute(statement)
            answer: tuple[Any, ...] | None = cursor.fetchone()
            return answer

        async with self._write_lock:
            return await self._in_thread(self._writer, run)

    async def close(self) -> None:
        async with self._write_lock:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._engine.dispose()


class _SqliteTransaction:
    """Runs on the writer's thread; it begins with its first part."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def run(self, work: Work[Result]) -> Result:
        return await self._database.in_writer(lambda: work(self._database.writing_connection()))

    async def commit(self, work: Work[Result]) -> Result:
        def run() -> Result:
            connection = self._database.writing_connection()
            result = work(connection)
            connection.commit()
            return result

        return await self._database.in_writer(run)

    def roll_back(self) -> None:
        self._database.writing_connection().rollback()


def _create_private(path: Path) -> None:
    """Make the file with mode 0600 before SQLite does: its WAL and index take over the mode."""
    path.touch(mode=0o600, exist_ok=True)


def _sqlite_engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False, "cached_statements": 512},
        poolclass=sa.pool.NullPool,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 (the driver's)
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
            f"cache_size=-{_CACHE_KIBIBYTES}",
            f"mmap_size={_MAPPED_BYTES}",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        for name, arguments, function in SQLITE_FUNCTIONS:
            connection.create_function(name, arguments, function, deterministic=True)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        """A writer takes the lock first: one that has read before could not get it any more."""
        writes = connection.get_execution_options().get(_WRITER)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
