"""Settings of projects and projects themselves: kept whole, versioned, in force at once."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from mnemon_service.model.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    MnemonError,
    NotFound,
    Reason,
)
from mnemon_service.model.settings import ContentPolicy, Limits, ProjectSettings
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.projects import SERVER_PROJECT, ProjectState
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from support.records import ACTOR, OTHER_PROJECT, PROJECT, TestClock, add_texts, request

EVENT = AuditEvent("UpdateSettings", "settings", PROJECT)
EVERYTHING = ProjectSettings(
    custom_instructions="Remember Ünïcode \u2028 and \\u0000 as text",
    agent_instructions={"planner": "plans", "coach": ""},
    categories={"zebra": "last", "apple": "first"},
    includes=("food", "travel"),
    excludes=("money",),
    extraction_model="none",
    reranker="x",
    deleted_retention=timedelta(days=1, microseconds=1),
    message_log_disabled=True,
    message_retention=timedelta(minutes=90),
    messages_per_scope=7,
    limits=Limits(0.5, 1, 2, 3, 4, 0),
    content_policy=ContentPolicy.REDACT,
    request_log_retention=timedelta(0),
)


@pytest.fixture
async def other(location: str, record: Record, clock: TestClock) -> AsyncIterator[Record]:
    """Another replica on the same database."""
    opened = await Record.open(location, clock=clock)
    yield opened
    await opened.close()


def setting(**values: object) -> ProjectSettings:
    return replace(ProjectSettings(), **values)  # type: ignore[arg-type]


async def put(record: Record, settings: ProjectSettings, etag: str = "") -> ProjectSettings:
    return await record.settings.update(PROJECT, lambda _: settings, EVENT, etag=etag)


async def test_every_field_is_kept(record: Record) -> None:
    changed = {f.name for f in dataclasses.fields(ProjectSettings)} - {"version", "update_time"}
    assert all(getattr(EVERYTHING, name) != getattr(ProjectSettings(), name) for name in changed)
    stored = await put(record, EVERYTHING)
    assert (stored.version, stored.update_time is not None) == (1, True)
    read = await record.settings.of(PROJECT)
    assert read == stored
    assert list(read.categories) == ["zebra", "apple"], "in the order given"
    assert await record.settings.of(OTHER_PROJECT) == ProjectSettings()


async def test_a_change_holds_here_at_once_and_elsewhere_within_a_second(
    record: Record, other: Record
) -> None:
    assert (await record.settings.of(PROJECT)).version == 0
    assert (await other.settings.of(PROJECT)).version == 0
    begun = time.monotonic()
    await put(record, setting(reranker="fine"))
    assert (await record.settings.of(PROJECT)).reranker == "fine"
    while (await other.settings.of(PROJECT)).reranker != "fine":
        assert time.monotonic() - begun < 1.0
        await asyncio.sleep(0.01)


async def test_an_old_etag_changes_nothing(record: Record) -> None:
    first = await put(record, setting(reranker="a"))
    second = await put(record, setting(reranker="b"), first.etag)
    with pytest.raises(Aborted) as refused:
        await put(record, setting(reranker="c"), first.etag)
    assert refused.value.metadata == {"etag": second.etag}
    assert await record.settings.of(PROJECT) == second


async def test_changes_at_once_each_see_the_one_before(record: Record, other: Record) -> None:
    async def count(replica: Record) -> None:
        def next_one(before: ProjectSettings) -> ProjectSettings:
            return replace(before, messages_per_scope=before.messages_per_scope + 1)

        await replica.settings.update(PROJECT, next_one, EVENT)

    await asyncio.gather(*(count(replica) for replica in (record, other) * 5))
    settings = await record.settings.of(PROJECT)
    assert (settings.messages_per_scope, settings.version) == (10, 10)


async def test_a_text_no_database_can_keep_is_refused(record: Record) -> None:
    for settings in (setting(includes=("a\x00",)), setting(agent_instructions={"\x00": ""})):
        with pytest.raises(InvalidArgument):
            await put(record, settings)


async def test_a_project_is_made_once_with_the_answer_to_its_request(record: Record) -> None:
    key, event = (
        request(method="AdminService/CreateProject"),
        AuditEvent("CreateProject", "projects/new", "new"),
    )
    project = await record.project_changes.create("new", "New", event, key, lambda made: made.id.encode())
    assert (project.state, project.display_name) == (ProjectState.ACTIVE, "New")
    with pytest.raises(AlreadyExists):
        await record.project_changes.create("new", "New", event, key, lambda made: b"")
    assert await record.stored_answer(Access("new"), key) == b"new"
    assert (await record.audit.verify()).entry_count == 1


async def test_a_project_changes_its_etag_with_each_change(record: Record) -> None:
    event = AuditEvent("UpdateProject", "projects/one", PROJECT)
    before = await record.projects.get(PROJECT)
    after = await record.project_changes.update(PROJECT, event, display_name="One", etag=before.etag)
    assert after.display_name == "One"
    with pytest.raises(Aborted) as refused:
        await record.project_changes.update(PROJECT, event, display_name="Two", etag=before.etag)
    assert refused.value.metadata == {"etag": after.etag}


async def test_memories_are_counted_in_all_states(record: Record) -> None:
    await add_texts(record, ["one", "two"])
    assert await record.projects.memory_counts([PROJECT, OTHER_PROJECT]) == {PROJECT: 2, OTHER_PROJECT: 0}


async def test_a_project_that_is_being_deleted_is_closed_for_good(record: Record) -> None:
    await record.projects.ensure(SERVER_PROJECT)
    event = AuditEvent("DeleteProject", "projects/one", PROJECT)
    async with record.write(Access(SERVER_PROJECT), ACTOR) as write:
        operation = await write.enqueue("DeleteProject", b"")
        await write.run(record.project_changes.deleting(PROJECT, event))
    record.project_changes.deletion_began()
    assert (await record.operations.get(Access(SERVER_PROJECT), operation.id)).type == "DeleteProject"
    assert await record.project_changes.state_of(PROJECT) is ProjectState.DELETING
    with pytest.raises(FailedPrecondition):
        await record.project_changes.update(PROJECT, event, state=ProjectState.ACTIVE)
    for attempt in (put(record, ProjectSettings()), add_texts(record, ["late"])):
        with pytest.raises(MnemonError) as refused:
            await attempt
        assert refused.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_the_servers_own_project_is_in_no_list(record: Record) -> None:
    await record.projects.ensure(SERVER_PROJECT)
    listed, _ = await record.projects.list()
    assert [project.id for project in listed] == [PROJECT, OTHER_PROJECT]
    with pytest.raises(NotFound):
        async with record.write(Access(SERVER_PROJECT), ACTOR) as write:
            await write.run(record.project_changes.deleting("unknown", EVENT))
