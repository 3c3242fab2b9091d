"""The keys of the first start: in files that only their owner reads, made once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mnemon_service.app.first_keys import default_key_file, ensure_first_keys
from mnemon_service.data_directory import DataDirectoryUnusable
from mnemon_service.model.caller import KeyRole
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.record import Record
from mnemon_service.server.key_authenticator import KeyAuthenticator
from support.key_sender import bearer
from support.records import PROJECT, TestClock


async def caller_of(record: Record, clock: TestClock, secret: str) -> tuple[str, KeyRole, str]:
    """Whom a key lets in."""
    door = KeyAuthenticator(record, clock=clock)
    caller = await door.authenticate(bearer(secret.strip()), ())
    await door.close()
    return caller.project_id, caller.role, caller.key_id


async def test_two_keys_are_made_and_left_alone(record: Record, clock: TestClock, tmp_path: Path) -> None:
    assert await ensure_first_keys(record, tmp_path, PROJECT)
    keys = tmp_path / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {file.name for file in keys.iterdir()} == {"root.key", "default.key"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys.iterdir()} == {0o600}
    assert (await caller_of(record, clock, (keys / "root.key").read_text()))[:2] == ("", KeyRole.ROOT)
    assert (await caller_of(record, clock, default_key_file(tmp_path).read_text()))[:2] == (
        PROJECT,
        KeyRole.ADMIN,
    )
    before = {file.name: file.read_text() for file in keys.iterdir()}
    assert not await ensure_first_keys(record, tmp_path, PROJECT)
    assert before == {file.name: file.read_text() for file in keys.iterdir()}
    assert [entry.event.action for entry in (await record.audit.list(None))[0]] == ["CreateApiKey"] * 2


async def test_who_lost_every_root_key_gets_a_new_one(
    record: Record, clock: TestClock, tmp_path: Path
) -> None:
    root_file = tmp_path / "keys" / "root.key"
    await ensure_first_keys(record, tmp_path, PROJECT)
    _, _, first = await caller_of(record, clock, root_file.read_text())
    await record.keys.revoke(first, None, AuditEvent("RevokeApiKey", ""))
    assert await ensure_first_keys(record, tmp_path, PROJECT)
    assert (await caller_of(record, clock, root_file.read_text()))[2] != first


async def test_no_key_is_made_that_cannot_be_handed_over(record: Record, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("in the way")
    with pytest.raises(DataDirectoryUnusable, match="keys"):
        await ensure_first_keys(record, tmp_path, PROJECT)
    assert await record.keys.list("") == ([], "")
