"""Connections: one writer and several readers on a SQLite file, a pool on PostgreSQL.

Work on the database is a plain function of a SQLAlchemy connection. SQLite runs it in a thread of its own
(one hop for the whole function, where aiosqlite pays one for every statement: measured half the time for
a read of 50 rows), PostgreSQL in the event loop over asyncpg.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mnemon_service.record.dialects import POSTGRESQL, SQLITE, SQLITE_FUNCTIONS, Dialect
from mnemon_service.record.failures import failures_translated

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

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


class Transaction(Protocol):
    """An open write transaction."""

    async def run(self, work: Work[Result]) -> Result:
        """Do a part of it."""
        ...

    async def commit(self, work: Work[Result]) -> Result:
        """Do the last part and commit."""
        ...


class Database(Protocol):
    """A database that is reached, whichever it is."""

    dialect: Dialect

    async def read(self, work: Work[Result]) -> Result:
        """Run a function that reads with one statement."""
        ...

    async def read_snapshot(self, work: Work[Result]) -> Result:
        """Run a function whose statements all see the same moment."""
        ...

    async def write(self, work: Work[Result]) -> Result:
        """Run a function in a write transaction of its own."""
        ...

    def transaction(self, key: str = "") -> contextlib.AbstractAsyncContextManager[Transaction]:
        """A write transaction in several parts; undone unless `commit` was called.

        Those of one key wait for each other here, before they take a connection: else the writers of
        one busy project would hold all connections while they wait for its row.
        """
        ...

    async def outside_transaction(self, statement: str) -> None:
        """Run a statement that no transaction may surround (VACUUM, checkpoints)."""
        ...

    async def close(self) -> None:
        """Close all connections; idempotent."""
        ...


async def finished(awaitable: Awaitable[Result]) -> Result:
    """Wait to the end even if the caller is cancelled meanwhile; only then let the cancellation go on.

    What a thread has begun on a connection cannot be taken back; to leave it running would hand the
    connection to the next caller in the middle of a statement.
    """
    task = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


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

    async def outside_transaction(self, statement: str) -> None:
        def run() -> None:
            driver = self._connection().connection.dbapi_connection
            if driver is not None:
                driver.cursor().execute(statement)

        async with self._write_lock:
            await self._in_thread(self._writer, run)

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

    async def outside_transaction(self, statement: str) -> None:
        with failures_translated():
            async with self._reading.connect() as connection:
                await connection.exec_driver_sql(statement)

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


def database_at(location: str | Path, *, readers: int = 4, connections: int = 10) -> Database:
    """The database at a file's path (SQLite) or a `postgresql://` address. Nothing is migrated."""
    if is_postgresql(location):
        return PostgresqlDatabase(postgresql_url(location), connections=connections)
    return SqliteDatabase(Path(location), readers=readers)


def is_postgresql(location: str | Path) -> bool:
    """True for an address, false for a path."""
    return str(location).startswith(("postgresql:", "postgres:"))


def postgresql_url(location: str | Path) -> sa.URL:
    """The address in SQLAlchemy's words."""
    return sa.make_url(str(location).replace("postgres:", "postgresql:", 1))


def without_password(url: sa.URL) -> str:
    """The address as it may be shown."""
    shown = sa.URL.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query)
    return shown.render_as_string()
