"""Keys in the record: made, found, ended, replaced; on one replica and on the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from mnemon_service.model.api_key import ApiKey, secret_hash
from mnemon_service.model.caller import KeyRole
from mnemon_service.model.errors import FailedPrecondition, MnemonError, NotFound, PermissionDenied, Reason
from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import Limits
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.keys import IssuedKey
from mnemon_service.record.projects import ProjectState
from mnemon_service.record.record import Record
from mnemon_service.server.key_authenticator import KeyAuthenticator
from support.key_sender import bearer
from support.records import OTHER_PROJECT, PROJECT, TestClock

EVENT = AuditEvent("CreateApiKey", "", PROJECT, key_id="somebody")


@pytest.fixture
async def other(location: str, record: Record, clock: TestClock) -> AsyncIterator[Record]:
    """Another replica on the same database."""
    opened = await Record.open(location, clock=clock)
    yield opened
    await opened.close()


async def make(record: Record, **fields: object) -> IssuedKey:
    """A new key of the project."""
    key = ApiKey("", PROJECT, KeyRole.WRITER, **fields)  # type: ignore[arg-type]
    return await record.keys.create(key, EVENT)


def authenticator(record: Record, clock: TestClock) -> KeyAuthenticator:
    """Who checks keys on this replica."""
    return KeyAuthenticator(record, clock=clock)


async def reason_of(door: KeyAuthenticator, secret: str) -> Reason | None:
    """Why a key is refused; None if it is not."""
    try:
        await door.authenticate(bearer(secret), ())
    except MnemonError as error:
        return error.reason
    return None


async def test_a_key_is_found_with_all_that_it_may(record: Record, clock: TestClock) -> None:
    scope = Scope(user_id="ana", agent_id="planner")
    issued = await make(record, bound_scope=scope, limits=Limits(requests_per_second=2.5, adds_per_day=0))
    caller = await authenticator(record, clock).authenticate(bearer(issued.secret), ())
    assert (caller.project_id, caller.role, caller.key_id) == (PROJECT, KeyRole.WRITER, issued.key.id)
    assert (caller.bound_scope, caller.limits) == (scope, issued.key.limits)


async def test_only_the_hash_is_kept(record: Record) -> None:
    issued = await make(record)
    stored = await record.keys.find(issued.key.id)
    assert stored is not None
    assert stored.secret_hash == secret_hash(issued.secret)
    assert issued.secret.rpartition("_")[2] not in repr(stored)


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", "Basic dXNlcjpwYXNz"),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer mn_unknown"),),
        (("authorization", b"Bearer mn_bytes"),),
    ],
)
async def test_what_is_no_key_is_invalid(record: Record, clock: TestClock, metadata: tuple) -> None:  # type: ignore[type-arg]
    with pytest.raises(MnemonError) as refused:
        await authenticator(record, clock).authenticate(metadata, ())
    assert refused.value.reason is Reason.API_KEY_INVALID


async def test_nothing_two_keys_or_a_wrong_secret_are_refused(record: Record, clock: TestClock) -> None:
    door = authenticator(record, clock)
    issued, another = await make(record), await make(record)
    with pytest.raises(MnemonError) as missing:
        await door.authenticate((), ())
    assert missing.value.reason is Reason.API_KEY_MISSING
    with pytest.raises(MnemonError) as twice:
        await door.authenticate(bearer(issued.secret) + bearer(another.secret), ())
    assert twice.value.reason is Reason.API_KEY_INVALID
    from mnemon_service.model.api_key import new_secret

    assert await reason_of(door, new_secret(issued.key.id)) is Reason.API_KEY_INVALID
    assert await reason_of(door, issued.secret) is None


async def test_a_revoked_key_is_refused_at_once_here_and_within_a_second_elsewhere(
    record: Record, other: Record, clock: TestClock
) -> None:
    issued = await make(record)
    here, there = authenticator(record, clock), authenticator(other, clock)
    assert await reason_of(here, issued.secret) is None
    assert await reason_of(there, issued.secret) is None
    await record.keys.revoke(issued.key.id, PROJECT, EVENT)
    begun = time.monotonic()
    assert await reason_of(here, issued.secret) is Reason.API_KEY_REVOKED
    while await reason_of(there, issued.secret) is None:
        assert time.monotonic() - begun < 1.0
        await asyncio.sleep(0.01)
    assert await reason_of(there, issued.secret) is Reason.API_KEY_REVOKED


async def test_a_key_expires(record: Record, clock: TestClock) -> None:
    issued = await make(record, expire_time=clock.now + timedelta(minutes=1))
    door = authenticator(record, clock)
    assert await reason_of(door, issued.secret) is None
    clock.advance(minutes=2)
    assert await reason_of(door, issued.secret) is Reason.API_KEY_EXPIRED


async def test_a_replaced_key_works_until_the_overlap_ends(record: Record, clock: TestClock) -> None:
    old = await make(record, bound_scope=Scope(user_id="ana"), display_name="service")
    new, previous = await record.keys.rotate(old.key.id, PROJECT, timedelta(hours=1), EVENT)
    door = authenticator(record, clock)
    assert new.key.id != old.key.id
    assert (new.key.bound_scope, new.key.role, new.key.display_name) == (
        old.key.bound_scope,
        old.key.role,
        "service",
    )
    assert previous.expire_time is not None
    assert [await reason_of(door, each.secret) for each in (old, new)] == [None, None]
    clock.advance(hours=2)
    assert await reason_of(door, old.secret) is Reason.API_KEY_EXPIRED
    assert await reason_of(door, new.secret) is None
    with pytest.raises(FailedPrecondition):
        await record.keys.rotate(old.key.id, PROJECT, timedelta(), EVENT)


async def test_an_overlap_lengthens_no_key(record: Record, clock: TestClock) -> None:
    soon = clock.now + timedelta(minutes=5)
    old = await make(record, expire_time=soon)
    _, previous = await record.keys.rotate(old.key.id, PROJECT, timedelta(hours=1), EVENT)
    assert previous.expire_time == soon


async def test_keys_of_other_projects_are_unknown(record: Record) -> None:
    issued = await make(record)
    for attempt in (
        record.keys.revoke(issued.key.id, OTHER_PROJECT, EVENT),
        record.keys.rotate(issued.key.id, OTHER_PROJECT, timedelta(), EVENT),
        record.keys.revoke("unknown", None, EVENT),
        record.keys.create(ApiKey("", "no-project", KeyRole.READER), EVENT),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await record.keys.list(OTHER_PROJECT))[0] == []
    assert (await record.keys.revoke(issued.key.id, None, EVENT)).revoke_time is not None


async def test_keys_are_listed_newest_first_in_pages_without_the_ended(record: Record) -> None:
    made = [(await make(record)).key.id for _ in range(5)]
    await record.keys.revoke(made[2], PROJECT, EVENT)
    first, token = await record.keys.list(PROJECT, page_size=3)
    second, end = await record.keys.list(PROJECT, page_size=3, page_token=token)
    assert [key.id for key in first + second] == [made[4], made[3], made[1], made[0]]
    assert end == ""
    everything, _ = await record.keys.list(PROJECT, show_ended=True)
    assert len(everything) == 5


async def test_the_last_use_is_written_once_a_minute(record: Record, clock: TestClock) -> None:
    issued = await make(record)
    door = authenticator(record, clock)

    async def used() -> object:
        await door.authenticate(bearer(issued.secret), ())
        await door.close()
        return (await record.keys.list(PROJECT))[0][0].last_use_time

    first = await used()
    assert first is not None
    assert await used() == first
    clock.advance(minutes=2)
    assert await used() != first


async def test_a_switched_off_project_lets_nobody_in(record: Record, clock: TestClock) -> None:
    issued = await make(record)
    door = authenticator(record, clock)
    event = AuditEvent("UpdateProject", f"projects/{PROJECT}", PROJECT)
    await record.project_changes.update(PROJECT, event, state=ProjectState.DISABLED)
    with pytest.raises(PermissionDenied) as refused:
        await door.authenticate(bearer(issued.secret), ())
    assert refused.value.reason is Reason.PROJECT_DISABLED
    await record.project_changes.update(PROJECT, event, state=ProjectState.ACTIVE)
    assert await reason_of(door, issued.secret) is None


async def test_the_first_keys_are_made_once_by_all_replicas_together(record: Record, other: Record) -> None:
    published: list[IssuedKey] = []
    wanted = [ApiKey("", "", KeyRole.ROOT), ApiKey("", PROJECT, KeyRole.ADMIN)]
    made = await asyncio.gather(*(r.keys.ensure_first(wanted, published.extend) for r in (record, other)))
    assert sorted(made) == [False, True]
    assert [key.key.role for key in published] == [KeyRole.ROOT, KeyRole.ADMIN]


async def test_no_first_key_exists_whose_secret_could_not_be_written(record: Record) -> None:
    def disk_full(_: list[IssuedKey]) -> None:
        raise OSError("no space")

    with pytest.raises((OSError, MnemonError)):
        await record.keys.ensure_first([ApiKey("", "", KeyRole.ROOT)], disk_full)
    assert (await record.keys.list(""))[0] == []
