"""An erasure does not say that the bytes are gone while a reader keeps them in the write-ahead log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mnemon_service.model.errors import Reason, Unavailable
from mnemon_service.record import sqlite_database
from mnemon_service.record.record import Record
from support.records import PROJECT, add_texts, erase


def is_in(secret: str, directory: Path) -> bool:
    return any(secret.encode() in path.read_bytes() for path in directory.iterdir())


async def test_bytes_that_a_reader_holds_are_not_reported_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_database, "BUSY_TIMEOUT_SECONDS", 0.05)
    file, secret = tmp_path / "mnemon.db", "a-very-secret-word"
    record = await Record.open(file)
    await record.projects.create(PROJECT)
    [stored] = await add_texts(record, [secret])
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM memories").fetchone() == (1,)
    await erase(record, stored.id)
    with pytest.raises(Unavailable) as busy:
        await record.retention.scrub()
    assert busy.value.reason is Reason.RECORD_UNAVAILABLE
    assert busy.value.retry_after
    assert is_in(secret, tmp_path)
    reader.close()
    await record.retention.scrub()
    assert not is_in(secret, tmp_path)
    await record.close()
