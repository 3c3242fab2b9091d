"""Updates, deletions, restorations and reversions on a real record: all or none, and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from mnemon.v1 import memory_pb2, operation_pb2, scope_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.model.caller import KeyRole
from mnemon_service.model.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    MnemonError,
    NotFound,
    PermissionDenied,
    Reason,
)
from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import ContentPolicy
from mnemon_service.record.worker import OperationWorkers
from support.memory_world import ANA, MemoryWorld, memory_world
from support.records import ALL, TestClock, erase
from support.wire_filters import comparison

GONE = "0192f0c1-0000-7000-8000-000000000001"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryWorld]:
    async with memory_world(tmp_path, delete_at_once=5) as made:
        yield made


async def update(world: MemoryWorld, memory_id: str, *mask: str, **fields: Any) -> memory_pb2.Memory:
    given = {name: fields.pop(name) for name in ("request_id", "reason") if name in fields}
    request = pb.UpdateMemoryRequest(
        memory=memory_pb2.Memory(id=memory_id, **fields), update_mask=FieldMask(paths=mask), **given
    )
    return (await world.servicer.UpdateMemory(request, world.call("UpdateMemory"))).memory


async def test_an_update_is_a_new_version_with_its_reason_and_new_vector(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    calls = world.space.calls
    after = await update(world, tea, text="Ana likes coffee", reason="she said so")
    assert (after.text, after.version, after.sequence) == ("Ana likes coffee", 2, 2)
    assert world.space.calls == calls + 1
    assert await world.record.embeddings.find("project-one", world.space.name, ["Ana likes coffee"])
    versions, _ = await world.record.log.versions_of(ALL, tea)
    assert (versions[0].reason, versions[0].previous_text) == ("she said so", "Ana likes tea")
    assert world.index.told[-1].memory.text == "Ana likes coffee"


async def test_an_update_that_leaves_the_text_embeds_nothing(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    calls = world.space.calls
    await update(world, tea, categories=["food"])
    await update(world, tea, "metadata", text="ignored", metadata={"a": 1})
    assert world.space.calls == calls
    assert await world.texts() == ["Ana likes tea"]


async def test_a_stale_etag_aborts_and_names_the_current_one(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    current = (await update(world, tea, categories=["food"])).etag
    with pytest.raises(Aborted) as refused:
        await update(world, tea, text="x", etag='"1"')
    assert (refused.value.reason, refused.value.metadata["etag"]) == (Reason.ETAG_MISMATCH, current)
    for rpc, request in (
        ("DeleteMemory", pb.DeleteMemoryRequest(id=tea, etag='"1"')),
        ("RevertMemory", pb.RevertMemoryRequest(id=tea, version=1, etag='"1"')),
    ):
        with pytest.raises(Aborted):
            await getattr(world.servicer, rpc)(request, world.call(rpc))
    assert (await update(world, tea, text="x", etag=current)).version == 3


async def test_one_of_two_updates_with_the_same_etag_wins(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    updates = (update(world, tea, text=f"Ana likes {drink}", etag='"1"') for drink in ("a", "b", "c"))
    outcomes = await asyncio.gather(*updates, return_exceptions=True)
    assert sorted(type(one) is Aborted for one in outcomes) == [False, True, True]


async def test_an_id_may_be_written_in_capitals_and_must_be_one(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    assert (await update(world, tea.upper(), text="Ana likes coffee")).id == tea
    deleted = await world.servicer.DeleteMemory(
        pb.DeleteMemoryRequest(id=tea.upper()), world.call("DeleteMemory")
    )
    assert deleted.memory.state == memory_pb2.MEMORY_STATE_DELETED
    for wrong in ("", "x", "a\x00b"):
        with pytest.raises(InvalidArgument) as refused:
            await update(world, wrong, text="y")
        assert refused.value.violations[0].field == "memory.id"


async def batch(world: MemoryWorld, *updates: dict[str, Any], **fields: Any) -> list[str]:
    requests = [pb.UpdateMemoryRequest(**one) for one in updates]
    request = pb.BatchUpdateMemoriesRequest(requests=requests, **fields)
    answer = await world.servicer.BatchUpdateMemories(request, world.call("BatchUpdateMemories"))
    return [memory.text for memory in answer.memories]


async def test_a_batch_of_updates_is_answered_in_its_order(world: MemoryWorld) -> None:
    tea, cake = await world.store("Ana likes tea", "Ana likes cake")
    updates = {"memory": {"id": cake, "text": "B"}}, {"memory": {"id": tea, "text": "A"}}
    assert await batch(world, *updates) == ["B", "A"]


@pytest.mark.parametrize(
    ("second", "error", "path"),
    [
        ({"memory": {"id": GONE, "text": "B"}}, NotFound, None),
        ({"memory": {"id": "{cake}", "text": "B", "etag": '"9"'}}, Aborted, None),
        (
            {"memory": {"id": "{cake}"}, "update_mask": {"paths": ["id"]}},
            InvalidArgument,
            "requests[1].update_mask",
        ),
        (
            {"memory": {"id": "{cake}", "expire_time": {"seconds": 1}}},
            InvalidArgument,
            "requests[1].memory.expire_time",
        ),
        ({"memory": {"id": "{tea}", "text": "B"}}, InvalidArgument, "requests"),
        ({"memory": {"id": "x", "text": "B"}}, InvalidArgument, "requests[1].memory.id"),
        ({"memory": {"id": "{cake}"}, "request_id": "r"}, InvalidArgument, "requests[1].request_id"),
    ],
)
async def test_a_batch_of_updates_is_done_whole_or_not_at_all(
    world: MemoryWorld, second: dict[str, Any], error: type[MnemonError], path: str | None
) -> None:
    tea, cake = await world.store("Ana likes tea", "Ana likes cake")
    named = second["memory"]["id"].format(tea=tea.upper(), cake=cake)
    second = second | {"memory": second["memory"] | {"id": named}}
    with pytest.raises(error) as refused:
        await batch(world, {"memory": {"id": tea, "text": "A"}}, second)
    assert path is None or refused.value.violations[0].field == path
    assert await world.texts() == ["Ana likes tea", "Ana likes cake"]
    assert await world.end() == 2


async def test_a_batch_of_deletions_is_done_whole_or_not_at_all(world: MemoryWorld) -> None:
    tea, cake = await world.store("Ana likes tea", "Ana likes cake")
    call = world.call("BatchDeleteMemories")
    with pytest.raises(NotFound):
        await world.servicer.BatchDeleteMemories(pb.BatchDeleteMemoriesRequest(ids=[tea, GONE]), call)
    with pytest.raises(InvalidArgument):
        await world.servicer.BatchDeleteMemories(pb.BatchDeleteMemoriesRequest(ids=[tea, tea.upper()]), call)
    assert len(await world.texts()) == 2
    request = pb.BatchDeleteMemoriesRequest(ids=[tea, cake], request_id="r1", reason="tidy")
    for _ in range(2):
        assert (await world.servicer.BatchDeleteMemories(request, call)).deleted_count == 2
    assert await world.texts() == []
    assert await world.end() == 4


@pytest.mark.parametrize("rpc", ["UpdateMemory", "DeleteMemory", "RestoreMemory", "RevertMemory"])
async def test_a_repeated_change_gets_the_same_answer_and_has_no_second_effect(
    world: MemoryWorld, rpc: str
) -> None:
    (tea,) = await world.store("Ana likes tea")
    await update(world, tea, text="Ana likes coffee")
    requests: dict[str, Any] = {
        "UpdateMemory": pb.UpdateMemoryRequest(memory=memory_pb2.Memory(id=tea, text="x"), request_id="r1"),
        "DeleteMemory": pb.DeleteMemoryRequest(id=tea, request_id="r1"),
        "RestoreMemory": pb.RestoreMemoryRequest(id=tea, request_id="r1"),
        "RevertMemory": pb.RevertMemoryRequest(id=tea, version=1, request_id="r1"),
    }
    if rpc == "RestoreMemory":
        await delete(world, tea)
    first = await getattr(world.servicer, rpc)(requests[rpc], world.call(rpc))
    end = await world.end()
    assert await getattr(world.servicer, rpc)(requests[rpc], world.call(rpc)) == first
    assert await world.end() == end


async def delete(world: MemoryWorld, memory_id: str) -> None:
    await world.servicer.DeleteMemory(pb.DeleteMemoryRequest(id=memory_id), world.call("DeleteMemory"))


async def restore(world: MemoryWorld, memory_id: str, **fields: Any) -> memory_pb2.Memory:
    request = pb.RestoreMemoryRequest(id=memory_id, **fields)
    return (await world.servicer.RestoreMemory(request, world.call("RestoreMemory"))).memory


async def reason_of(work: Any) -> tuple[type[MnemonError], Reason]:
    with pytest.raises(MnemonError) as refused:
        await work
    return type(refused.value), refused.value.reason


async def test_a_deleted_memory_comes_back_and_only_a_deleted_one(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    assert await reason_of(restore(world, tea)) == (FailedPrecondition, Reason.MEMORY_NOT_DELETED)
    assert await reason_of(restore(world, GONE)) == (NotFound, Reason.MEMORY_NOT_FOUND)
    await delete(world, tea)
    assert await world.texts() == []
    assert (await reason_of(restore(world, tea, etag='"1"')))[0] is Aborted
    assert (await restore(world, tea)).state == memory_pb2.MEMORY_STATE_ACTIVE
    assert await world.texts() == ["Ana likes tea"]


async def test_an_expired_memory_comes_back_without_its_expiry(tmp_path: Path) -> None:
    clock = TestClock()
    async with memory_world(tmp_path, clock=clock) as world:
        for logged in (False, True):
            text = f"Ana likes tea {logged}"
            (tea,) = await world.store(text)
            async with world.record.write(ALL, world.index.told[0].actor) as write:
                before = (await write.current([tea]))[tea]
                write.update(replace(before, expire_time=clock.now + timedelta(hours=1)))
            clock.advance(hours=2)
            assert text not in await world.texts()
            if logged:
                assert await world.record.retention.log_expired("project-one") == 1
            back = await restore(world, tea)
            assert (back.state, back.HasField("expire_time")) == (memory_pb2.MEMORY_STATE_ACTIVE, False)
            assert text in await world.texts()


async def test_what_was_erased_is_said_to_be_and_only_to_who_could_see_it(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    await erase(world.record, tea)
    erased = (FailedPrecondition, Reason.RETENTION_PASSED)
    assert await reason_of(restore(world, tea)) == erased
    revert = pb.RevertMemoryRequest(id=tea, version=1)
    assert await reason_of(world.servicer.RevertMemory(revert, world.call("RevertMemory"))) == erased
    stranger = world.call("RestoreMemory", bound=Scope(user_id="bo"))
    unknown = world.servicer.RestoreMemory(pb.RestoreMemoryRequest(id=tea), stranger)
    assert await reason_of(unknown) == (NotFound, Reason.MEMORY_NOT_FOUND)


async def test_a_reverted_memory_says_what_it_said_as_a_new_version(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea", metadata={"a": 1})
    await update(world, tea, text="Ana likes coffee", metadata={"b": 1})
    call = world.call("RevertMemory")
    back = (await world.servicer.RevertMemory(pb.RevertMemoryRequest(id=tea, version=1), call)).memory
    assert (back.text, back.version, dict(back.metadata.items())) == ("Ana likes tea", 3, {"a": 1})
    for version in (3, 4):
        request = pb.RevertMemoryRequest(id=tea, version=version)
        assert (await reason_of(world.servicer.RevertMemory(request, call)))[0] is NotFound


async def test_the_screen_sees_new_texts_only(tmp_path: Path) -> None:
    seen: list[str] = []

    class Screen:
        def screen(self, settings: Any, texts: Any) -> list[str]:
            seen.extend(texts)
            return [text.replace("4711", "[number]") for text in texts]

    async with memory_world(tmp_path, screen=Screen()) as world:
        (gate,) = await world.store("The gate is closed")
        world.set(content_policy=ContentPolicy.REDACT)
        seen.clear()
        await update(world, gate, "categories", text="kept out 4711", categories=["home"])
        assert seen == ["home"]
        seen.clear()
        assert (
            await update(world, gate, text="The gate opens with 4711")
        ).text == "The gate opens with [number]"
        assert seen == ["The gate opens with 4711"]


async def test_a_root_key_changes_no_memory(world: MemoryWorld) -> None:
    root = world.call("UpdateMemory")
    root.caller = type(root.caller)("", KeyRole.ROOT)
    request = pb.UpdateMemoryRequest(memory=memory_pb2.Memory(id=GONE, text="x"))
    with pytest.raises(PermissionDenied):
        await world.servicer.UpdateMemory(request, root)


async def test_what_lies_outside_a_keys_scope_cannot_be_changed(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    for rpc, request in (
        ("UpdateMemory", pb.UpdateMemoryRequest(memory=memory_pb2.Memory(id=tea, text="x"))),
        ("DeleteMemory", pb.DeleteMemoryRequest(id=tea)),
        ("RevertMemory", pb.RevertMemoryRequest(id=tea, version=1)),
        ("BatchDeleteMemories", pb.BatchDeleteMemoriesRequest(ids=[tea])),
    ):
        call = world.call(rpc, bound=Scope(user_id="bo"))
        assert (await reason_of(getattr(world.servicer, rpc)(request, call)))[0] is NotFound
    assert await world.texts() == ["Ana likes tea"]


async def delete_all(world: MemoryWorld, call: Any = None, **fields: Any) -> pb.DeleteMemoriesResponse:
    fields.setdefault("scope", ANA)
    request = pb.DeleteMemoriesRequest(**fields)
    return await world.servicer.DeleteMemories(request, call or world.call("DeleteMemories"))


async def test_what_a_filter_selects_is_deleted_and_a_dry_run_only_counts(
    world: MemoryWorld,
) -> None:
    await world.store("Ana likes tea", "Ana likes cake", categories=["food"])
    await world.store("Ana lives in Bonn")
    bo = scope_pb2.Scope(user_id="bo")
    await world.store("Bo likes tea", scope=bo, categories=["food"])
    food = comparison("categories", "CONTAINS", "food")
    assert (await delete_all(world, filter=food, dry_run=True)).matched_count == 2
    assert len(await world.texts()) == 3
    for _ in range(2):
        assert (await delete_all(world, filter=food, request_id="r1")).matched_count == 2
    assert await world.texts() == ["Ana lives in Bonn"]
    assert len(await world.known(Scope(user_id="bo"))) == 1


async def test_superseded_memories_of_the_scope_are_deleted_too(world: MemoryWorld) -> None:
    old, new = await world.store("Ana lives in Bonn", "Ana lives in Rome")
    async with world.record.write(ALL, world.index.told[0].actor) as write:
        await write.current([old])
        write.supersede(old, new)
    assert (await delete_all(world)).matched_count == 2
    assert await world.texts(show_superseded=True) == []


async def test_a_whole_project_is_deleted_by_an_admin_only(world: MemoryWorld) -> None:
    await world.store("Ana likes tea")
    wide: dict[str, Any] = {"scope": scope_pb2.Scope(), "project_wide": True}
    writer = world.call("DeleteMemories", role=KeyRole.WRITER)
    assert (await reason_of(delete_all(world, writer, **wide)))[1] is Reason.ROLE_REQUIRED
    assert (await delete_all(world, **wide)).matched_count == 1


async def test_a_large_deletion_goes_on_in_the_background_and_spares_what_comes_later(
    world: MemoryWorld,
) -> None:
    await world.store(*(f"Ana knows number {number}" for number in range(8)), categories=["numbers"])
    await world.store("Ana likes tea")
    numbers = comparison("categories", "CONTAINS", "numbers")
    answers = [await delete_all(world, filter=numbers, request_id="r1") for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0].matched_count == 8
    assert answers[0].operation.state == operation_pb2.OPERATION_STATE_PENDING
    await world.store("Ana knows number 9", categories=["numbers"])
    workers = OperationWorkers(world.record.operations, world.handlers)
    workers.start()
    ended = await world.record.operations.wait(ALL, answers[0].operation.id, 20)
    await workers.stop()
    assert operation_pb2.DeleteMemoriesResult.FromString(ended.result).deleted_count == 8
    assert (ended.progress_done, ended.progress_total) == (8, 8)
    assert await world.texts() == ["Ana likes tea", "Ana knows number 9"]


async def test_lists_come_in_pages_that_any_client_can_receive(world: MemoryWorld) -> None:
    texts = [f"{number} " + "x" * 32_000 for number in range(150)]
    for start in range(0, 150, 50):
        await world.store(*texts[start : start + 50], metadata={"a": "y" * 20_000})
    request = pb.ListMemoriesRequest(scope=ANA, page_size=500, order=pb.LIST_ORDER_CREATE_TIME_ASC)
    seen: list[str] = []
    while True:
        page = await world.servicer.ListMemories(request, world.call("ListMemories"))
        assert page.ByteSize() < 4 * 2**20
        seen += [memory.text for memory in page.memories]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sorted(seen) == sorted(texts)


async def test_a_history_comes_oldest_first_in_pages(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    for number in range(4):
        await update(world, tea, text=f"Ana likes tea {number}")
    await delete(world, tea)
    request = pb.ListVersionsRequest(memory_id=tea.upper(), page_size=4)
    first = await world.servicer.ListVersions(request, world.call("ListVersions"))
    request.page_token = first.next_page_token
    second = await world.servicer.ListVersions(request, world.call("ListVersions"))
    versions = [*first.versions, *second.versions]
    assert [one.version for one in versions] == [1, 2, 3, 4, 5, 6]
    assert versions[-1].event == memory_pb2.VERSION_EVENT_DELETED
    assert second.next_page_token == ""


async def test_ids_that_are_not_found_are_listed(world: MemoryWorld) -> None:
    tea, cake = await world.store("Ana likes tea", "Ana likes cake")
    await delete(world, cake)
    request = pb.BatchGetMemoriesRequest(ids=[GONE, tea.upper(), cake])
    found = await world.servicer.BatchGetMemories(request, world.call("BatchGetMemories"))
    assert [memory.id for memory in found.memories] == [tea]
    assert list(found.missing_ids) == [GONE, cake]
    past = pb.BatchGetMemoriesRequest(ids=[cake], as_of=memory_pb2.AsOf(sequence=2))
    assert (await world.servicer.BatchGetMemories(past, world.call("BatchGetMemories"))).memories[
        0
    ].id == cake
