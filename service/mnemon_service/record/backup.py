"""Copies of the record: made while it is written, put back while nobody uses it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.record.migrating import revisions

_BESIDE: Final = ("-wal", "-shm")
"""Files of SQLite that belong to a database file."""


def back_up(source: Path, target: Path) -> int:
    """Copies a SQLite record as it is at one moment, and gives the copy's size in bytes.

    Whoever uses the record goes on meanwhile: SQLite's online backup reads one snapshot. The copy is one
    file without a journal, checked page by page, and stands at `target` only when it is whole. It may be
    of any earlier release's schema.

    Raises `FailedPrecondition` if there is no record at `source`, if `target` is there already, or if
    the copy does not pass SQLite's check.
    """
    if not source.is_file():
        raise _wrong(f"there is no record at {source}")
    if target.exists():
        raise _wrong(f"{target} is there already; choose another name")
    unfinished = target.with_name(target.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    try:
        _copy(source, unfinished)
        _check(unfinished)
        _flush(unfinished)
        unfinished.rename(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _flush(target.parent)
    return target.stat().st_size


def restore(copy: Path, place: Path, now: datetime) -> Path | None:
    """Puts a copy in the place of a SQLite record that nobody uses, and answers where the record that was
    there before lies now (None if there was none).

    Raises `FailedPrecondition` for a file that is no copy of a record, is damaged, or was written by a
    newer release; then nothing was changed.
    """
    if not copy.is_file():
        raise _wrong(f"there is no file {copy}")
    revision = _check(copy)
    if revision not in revisions():
        raise _wrong(f"{copy} was written by a newer release; restore it with that one")
    fresh = place.with_name(place.name + ".restored")
    for name in ("", *_BESIDE):
        fresh.with_name(fresh.name + name).unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    _copy(copy, fresh)
    _flush(fresh)
    before = _put_aside(place, now)
    fresh.rename(place)
    _flush(place.parent)
    return before


def _put_aside(place: Path, now: datetime) -> Path | None:
    """Renames the record, with what SQLite keeps beside it."""
    if not place.exists():
        return None
    aside = place.with_name(f"{place.name}.before-{now:%Y%m%dT%H%M%S}")
    for name in (*_BESIDE, ""):
        file = place.with_name(place.name + name)
        if file.exists():
            file.rename(aside.with_name(aside.name + name))
    return aside


def _copy(source: Path, target: Path) -> None:
    """One snapshot, as one file: a copy that keeps SQLite's write-ahead mode would want files beside it."""
    with _opened(source, "ro") as reading, _opened(target, "rwc") as writing:
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode=DELETE").fetchall()


def _check(file: Path) -> str:
    """The schema's revision of a record's copy that is whole."""
    try:
        with _opened(file, "ro") as connection:
            [(verdict,)] = connection.execute("PRAGMA integrity_check(1)").fetchall()
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.DatabaseError:
        raise _wrong(f"{file} is no copy of a record") from None
    if verdict != "ok" or len(found) != 1:
        raise _wrong(f"{file} is damaged")
    return str(found[0][0])


@contextlib.contextmanager
def _opened(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode={mode}", uri=True, timeout=30)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


def _flush(path: Path) -> None:
    """Waits until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _wrong(message: str) -> FailedPrecondition:
    return FailedPrecondition(message, reason=Reason.INVALID_FIELD)
