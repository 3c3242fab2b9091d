"""The audit log: whole, in order, and any change of it shows."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest
import sqlalchemy as sa

from mnemon_service.model.api_key import ApiKey
from mnemon_service.model.caller import KeyRole
from mnemon_service.model.errors import InvalidArgument, NotFound
from mnemon_service.record import audit as audit_module
from mnemon_service.record.audit import AuditEntry, AuditEvent, ChainCheck
from mnemon_service.record.record import Record
from mnemon_service.record.times import to_micros
from support.records import ACTOR, ALL, OTHER_PROJECT, PROJECT, memory


def event(number: int = 0, project_id: str = PROJECT) -> AuditEvent:
    return AuditEvent(
        "UpdateSettings", f"settings/{number}", project_id, "sets ünïcode", "key-1", KeyRole.ADMIN
    )


async def append(record: Record, *events: AuditEvent) -> None:
    for each in events:
        await record.database.write(record.audit.appending(each))


async def test_writers_at_once_make_one_chain_without_gaps(record: Record) -> None:
    await asyncio.gather(*(append(record, event(number)) for number in range(25)))
    entries, _ = await record.audit.list(None)
    assert [entry.sequence for entry in entries] == list(range(25, 0, -1))
    assert await record.audit.verify() == ChainCheck(25, 0)


async def test_an_empty_log_is_whole(record: Record) -> None:
    assert await record.audit.verify() == ChainCheck(0, 0)


async def test_a_long_log_is_read_in_parts(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "_AFTER", audit_module._AFTER.limit(2))
    await append(record, *(event(number) for number in range(5)))
    assert await record.audit.verify() == ChainCheck(5, 0)


def hash_of(previous: str, entry: AuditEntry) -> str:
    """As the contract and `docs/security.md` say it, written a second time."""
    said = [
        previous,
        entry.sequence,
        to_micros(entry.record_time),
        entry.event.key_id,
        int(entry.event.role),
        entry.event.action,
        entry.event.resource,
        entry.event.detail,
        entry.event.project_id,
    ]
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()


async def test_anybody_can_compute_the_chain_anew(record: Record) -> None:
    await append(record, event(1), event(2, OTHER_PROJECT), event(3, ""))
    previous = ""
    for entry in reversed((await record.audit.list(None))[0]):
        assert entry.hash == hash_of(previous, entry)
        previous = entry.hash


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE audit_log SET detail = 'sets nothing' WHERE sequence = 3", 3),
        ("UPDATE audit_log SET key_id = 'another' WHERE sequence = 1", 1),
        ("UPDATE audit_log SET record_time = record_time + 1 WHERE sequence = 5", 5),
        ("DELETE FROM audit_log WHERE sequence = 2", 2),
        ("DELETE FROM audit_log WHERE sequence >= 4", 4),
        ("DELETE FROM audit_log", 1),
    ],
)
async def test_what_was_changed_or_cut_off_is_found(record: Record, damage: str, found: int) -> None:
    await append(record, *(event(number) for number in range(5)))
    await record.database.write(lambda connection: connection.execute(sa.text(damage)))
    assert (await record.audit.verify()).first_broken_sequence == found


async def test_a_change_that_fails_leaves_no_entry(record: Record) -> None:
    with pytest.raises(NotFound):
        await record.keys.revoke("unknown", PROJECT, event())
    with pytest.raises(NotFound):
        await record.settings.update("no-project", lambda before: before, event())
    assert await record.audit.verify() == ChainCheck(0, 0)


async def test_an_entry_goes_with_the_write_of_a_project(record: Record) -> None:
    async with record.write(ALL, ACTOR) as write:
        write.add(memory("one"))
        await write.run(record.audit.appending(event(1)))
    with pytest.raises(RuntimeError):
        async with record.write(ALL, ACTOR) as write:
            await write.run(record.audit.appending(event(2)))
            raise RuntimeError
    assert await record.audit.verify() == ChainCheck(1, 0)


async def test_a_project_sees_its_own_entries_in_pages(record: Record) -> None:
    await append(record, *(event(n, PROJECT if n % 2 else OTHER_PROJECT) for n in range(10)))
    first, token = await record.audit.list(PROJECT, page_size=3)
    second, end = await record.audit.list(PROJECT, page_size=3, page_token=token)
    assert [entry.event.resource for entry in first + second] == [f"settings/{n}" for n in (9, 7, 5, 3, 1)]
    assert end == ""
    with pytest.raises(InvalidArgument):
        await record.audit.list(OTHER_PROJECT, page_token=token)


async def test_entries_outlive_their_project(record: Record) -> None:
    await append(record, event(1))
    await record.keys.create(ApiKey("", PROJECT, KeyRole.READER), event(2))
    await record.projects.erase(PROJECT)
    assert await record.audit.verify() == ChainCheck(2, 0)
    assert (await record.keys.list(PROJECT))[0] == []
