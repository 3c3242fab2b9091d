"""Usage, the request log and lists of entities, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mnemon_service.model.errors import InvalidArgument, NotFound, PermissionDenied
from mnemon_service.model.memory import Entity
from mnemon_service.model.scope import Scope
from mnemon_service.record.entity_lists import EntityOrder, ListedEntity
from mnemon_service.record.record import Record
from mnemon_service.record.request_log import LoggedCall
from mnemon_service.record.selection import Access
from mnemon_service.record.usage import UsageKey, Used
from support.records import ALL, ANA, BO, OTHER_PROJECT, PROJECT, TestClock, add, add_texts, delete, memory

DAY, NEXT = "2026-03-01", "2026-03-02"
MODEL = "openai/gpt-5-mini"


async def read(record: Record, *, by_owner: bool = False, by_model: bool = False) -> list[tuple[str, Used]]:
    rows = await record.usage.read(PROJECT, DAY, NEXT, by_owner=by_owner, by_model=by_model)
    return [(f"{key.day} {key.owner} {key.model}".strip(), used) for key, used in rows]


async def test_usage_adds_up_by_day_owner_and_model(record: Record) -> None:
    for _ in range(2):
        await record.usage.add(
            {
                UsageKey(PROJECT, DAY, "user_id:ana", MODEL): Used(1, 0, 10, 5),
                UsageKey(PROJECT, DAY): Used(calls=3, failed_calls=1),
                UsageKey(PROJECT, NEXT, "user_id:bo"): Used(searches=2),
                UsageKey(OTHER_PROJECT, DAY): Used(calls=99),
            }
        )
    assert await read(record) == [(DAY, Used(8, 2, 20, 10)), (NEXT, Used(searches=4))]
    assert await read(record, by_owner=True, by_model=True) == [
        (DAY, Used(6, 2)),
        (f"{DAY} user_id:ana {MODEL}", Used(2, 0, 20, 10)),
        (f"{NEXT} user_id:bo", Used(searches=4)),
    ]
    assert [name for name, _ in await read(record, by_model=True)] == [DAY, f"{DAY}  {MODEL}", NEXT]


async def test_added_memories_are_counted_with_the_write(record: Record) -> None:
    await add(record, memory("one"), memory("two"), memory("three", BO))
    [stored] = await add(record, memory("four"))
    await delete(record, stored.id)
    with pytest.raises(InvalidArgument):
        await add(record, memory("five"), memory("NUL \x00"))
    assert await read(record, by_owner=True) == [
        (f"{DAY} user_id:ana", Used(memories_added=3)),
        (f"{DAY} user_id:bo", Used(memories_added=1)),
    ]


async def test_an_erased_users_account_goes_on_without_the_name(record: Record) -> None:
    await add(record, memory("one"), memory("two", BO))
    forgetting = record.subjects.forgetting_usage(PROJECT, ANA)
    await record.database.write(forgetting)
    assert await read(record, by_owner=True) == [
        (DAY, Used(memories_added=1)),
        (f"{DAY} user_id:bo", Used(memories_added=1)),
    ]


def call(number: int, project_id: str = PROJECT, **fields: str) -> LoggedCall:
    named = {"method": "MemoryService/GetMemory", "code": "OK", "reason": "", "key_id": "k"} | fields
    start = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=number // 2)
    return LoggedCall(project_id, f"r{number}", milliseconds=1.5, start_time=start, **named)


async def test_calls_are_listed_newest_first_and_by_what_they_were(record: Record) -> None:
    await record.request_log.append([call(number) for number in range(5)])
    await record.request_log.append([call(5, code="NOT_FOUND"), call(6, OTHER_PROJECT)])
    seen, token = [], ""
    while True:
        page, token = await record.request_log.list(PROJECT, page_size=2, page_token=token)
        seen += page
        if not token:
            break
    assert [one.request_id for one in seen] == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert seen[0] == call(5, code="NOT_FOUND")
    [missing], _ = await record.request_log.list(PROJECT, code="NOT_FOUND")
    assert missing.request_id == "r5"
    assert (await record.request_log.list(PROJECT, method="MemoryService/AddMemories"))[0] == []
    since = await record.request_log.list(PROJECT, start_time=call(4).start_time)
    assert [one.request_id for one in since[0]] == ["r5", "r4"]


async def test_old_calls_are_forgotten_project_by_project(record: Record, clock: TestClock) -> None:
    await record.request_log.append([call(0), call(1), call(2, OTHER_PROJECT)])
    assert await record.request_log.projects() == [PROJECT, OTHER_PROJECT]
    clock.advance(days=8)
    assert await record.request_log.drop_old(PROJECT, timedelta(days=7), limit=1) == 1
    assert await record.request_log.drop_old(PROJECT, timedelta(days=7)) == 1
    assert await record.request_log.projects() == [OTHER_PROJECT]


async def everyone(
    record: Record, order: EntityOrder, page_size: int = 2, prefix: str = ""
) -> list[tuple[str, str, int]]:
    found: list[ListedEntity] = []
    token = ""
    while True:
        page, token = await record.entity_lists.scope_entities(
            ALL,
            ("user_id", "agent_id", "run_id"),
            order,
            prefix=prefix,
            page_size=page_size,
            page_token=token,
        )
        found += page
        if not token:
            return [(one.kind, one.id, one.memories) for one in found]


async def test_kinds_are_merged_in_every_order_without_gaps(record: Record) -> None:
    await add_texts(record, ["a", "b", "c"], Scope(user_id="ana", agent_id="x"))
    await add_texts(record, ["d"], Scope(user_id="x", run_id="x"))
    await add_texts(record, ["e", "f"], Scope(agent_id="zoe"))
    expected = {
        EntityOrder.ID: [
            ("user_id", "ana", 3),
            ("agent_id", "x", 3),
            ("run_id", "x", 1),
            ("user_id", "x", 1),
            ("agent_id", "zoe", 2),
        ],
        EntityOrder.MEMORIES: [
            ("user_id", "ana", 3),
            ("agent_id", "x", 3),
            ("agent_id", "zoe", 2),
            ("run_id", "x", 1),
            ("user_id", "x", 1),
        ],
        EntityOrder.ACTIVITY: [
            ("agent_id", "zoe", 2),
            ("run_id", "x", 1),
            ("user_id", "x", 1),
            ("user_id", "ana", 3),
            ("agent_id", "x", 3),
        ],
    }
    for order, listed in expected.items():
        for page_size in (1, 2, 10):
            assert await everyone(record, order, page_size) == listed, (order, page_size)
    assert await everyone(record, EntityOrder.ID, prefix="x") == expected[EntityOrder.ID][1:4][0:3]
    assert await everyone(record, EntityOrder.MEMORIES, prefix="an") == [("user_id", "ana", 3)]


async def test_who_has_no_memories_is_not_listed(record: Record) -> None:
    [stored] = await add_texts(record, ["one"])
    await delete(record, stored.id)
    assert await everyone(record, EntityOrder.ID) == []


async def test_named_things_are_those_of_the_scope(record: Record) -> None:
    porto, rex = Entity("Porto", "PLACE"), Entity("Rex", "ANIMAL")
    await add(record, memory("a", entities=(porto, rex)), memory("b", entities=(porto,)))
    await add(record, memory("c", BO, entities=(Entity("porto", ""),)))

    async def named(access: Access, scope: Scope, prefix: str = "") -> list[tuple[str, str, int]]:
        found, _ = await record.entity_lists.named(access, scope, EntityOrder.MEMORIES, prefix=prefix)
        return [(one.id, one.type, one.memories) for one in found]

    assert await named(ALL, Scope()) == [("Porto", "PLACE", 3), ("Rex", "ANIMAL", 1)]
    assert await named(ALL, ANA) == [("Porto", "PLACE", 2), ("Rex", "ANIMAL", 1)]
    assert await named(ALL, BO, prefix="PO") == [("Porto", "PLACE", 1)]
    assert await named(Access(PROJECT, BO), Scope()) == [("Porto", "PLACE", 1)]
    assert await named(Access(OTHER_PROJECT), Scope()) == []
    with pytest.raises(PermissionDenied):
        await named(Access(PROJECT, BO), ANA)
    assert (await record.entity_lists.one_named(Access(PROJECT, BO), "PORTO")).memories == 1
    with pytest.raises(NotFound):
        await record.entity_lists.one_named(Access(PROJECT, BO), "Rex")


async def test_a_bound_key_lists_no_users(record: Record) -> None:
    with pytest.raises(PermissionDenied):
        await record.entity_lists.scope_entities(Access(PROJECT, ANA), ("user_id",), EntityOrder.ID)
