"""What the record asks of a database, and which one an address means.

Work on the database is a plain function of a SQLAlchemy connection. SQLite runs it in a thread of its own
(one hop for the whole function, where aiosqlite pays one for every statement: measured half the time for
a read of 50 rows), PostgreSQL in the event loop over asyncpg.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.record.dialects import Dialect

Result = TypeVar("Result")
Work = Callable[[Connection], Result]


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

    async def outside_transaction(self, statement: str) -> tuple[Any, ...] | None:
        """Run a statement that no transaction may surround (VACUUM, checkpoints); the first row that it
        answers, if it does."""
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


def database_at(location: str | Path, *, readers: int = 4, connections: int = 10) -> Database:
    """The database at a file's path (SQLite) or a `postgresql://` address. Nothing is migrated."""
    # Imported here: what reaches PostgreSQL takes a quarter of a second to load, and most need it not.
    if is_postgresql(location):
        from mnemon_service.record.postgresql_database import PostgresqlDatabase

        return PostgresqlDatabase(postgresql_url(location), connections=connections)
    from mnemon_service.record.sqlite_database import SqliteDatabase

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
