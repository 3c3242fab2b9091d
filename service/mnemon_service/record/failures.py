"""What a database says when it cannot, in the house's words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

import asyncpg
import sqlalchemy as sa
import structlog

from mnemon_service.model.errors import Reason, Unavailable

RETRY_AFTER_SECONDS: Final = 1.0
"""When trying again may help: locks go within this time, a restart of PostgreSQL in a few of them."""

_UNAVAILABLE_CLASSES: Final = ("08", "53", "57", "58")
"""PostgreSQL's SQLSTATE classes: connection, resources, operator's intervention, system error."""
_TRANSIENT_STATES: Final = ("40001", "40P01", "55P03", "25006", "XX001")
"""Serialization failure, deadlock, lock not available, read-only server (a failover), damaged data."""
_SQLITE_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
_PRIMARY_CODE: Final = 0xFF
"""SQLite keeps the primary error code in the lowest byte of an extended one."""

_log = structlog.get_logger(__name__)


@contextlib.contextmanager
def failures_translated() -> Iterator[None]:
    """Raise `Unavailable` (RECORD_UNAVAILABLE) for what is the database's state and not our mistake."""
    try:
        yield
    except (
        sa.exc.DBAPIError,
        sa.exc.TimeoutError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        OSError,
    ) as error:
        if not _is_unavailable(error):
            raise
        _log.warning("record_unavailable", error=type(_cause(error)).__name__, code=_code(error))
        raise Unavailable(
            "the record's database does not answer",
            reason=Reason.RECORD_UNAVAILABLE,
            retry_after=RETRY_AFTER_SECONDS,
        ) from error


def _cause(error: BaseException) -> BaseException:
    """The driver's own error below SQLAlchemy's."""
    original = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else error


def _code(error: BaseException) -> str:
    cause = _cause(error)
    if isinstance(cause, sqlite3.Error):
        return str(getattr(cause, "sqlite_errorname", ""))
    return str(getattr(cause, "sqlstate", None) or "")


def _is_unavailable(error: BaseException) -> bool:
    if isinstance(error, OSError | sa.exc.TimeoutError | asyncpg.InterfaceError):
        return True
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    cause = _cause(error)
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", -1) & _PRIMARY_CODE in _SQLITE_CODES
    state = _code(error)
    if not state:
        return isinstance(error, sa.exc.InterfaceError)
    return state[:2] in _UNAVAILABLE_CLASSES or state in _TRANSIENT_STATES
