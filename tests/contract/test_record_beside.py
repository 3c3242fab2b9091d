"""What is kept beside the memories: messages, vectors, entities, cursors, projects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from mnemon_service.model.errors import AlreadyExists, InvalidArgument, NotFound
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Entity, Role
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.migrating import migrate
from mnemon_service.record.projects import ProjectState
from mnemon_service.record.record import Record
from support.records import (
    ACTOR,
    ALL,
    ANA,
    BO,
    OTHER_PROJECT,
    PROJECT,
    TestClock,
    add,
    delete,
    erase,
    memory,
    rewrite,
)

VECTOR = np.array([0.25, -1.5, 3e-8, 1.0], dtype=np.float32)


async def test_messages_keep_their_order_in_each_conversation(record: Record) -> None:
    run = Scope(user_id="ana", run_id="r")
    said = Message("hello", Role.ASSISTANT, "Bot", datetime(2023, 5, 7, tzinfo=UTC), recalled=True)
    async with record.write(ALL, ACTOR) as write:
        first = await write.save_messages(run, [said, Message("two")])
        [other] = await write.save_messages(ANA, [Message("elsewhere")])
        [third] = await write.save_messages(run, [Message("three", id="given-id")])
        assert await write.allocate_positions(run, 2) == 4
    async with record.write(ALL, ACTOR) as write:
        [sixth] = await write.save_messages(run, [Message("six")])
    assert [one.position for one in (*first, third, sixth, other)] == [1, 2, 3, 6, 1]
    assert await record.messages.last(ALL, run, 3) == [first[1], third, sixth]
    assert (await record.messages.batch_get(ALL, [first[0].id, "given-id", "no"])) == {
        first[0].id: replace(said, id=first[0].id, scope=run, position=1),
        "given-id": third,
    }
    with pytest.raises(AlreadyExists):
        async with record.write(ALL, ACTOR) as write:
            await write.save_messages(run, [Message("again", id="given-id")])


async def test_vectors_are_kept_by_text_and_space(record: Record) -> None:
    async with record.write(ALL, ACTOR) as write:
        write.save_embeddings("small", {"one": VECTOR, "two": 2 * VECTOR})
        write.save_embeddings("large", {"one": 3 * VECTOR})
    await record.embeddings.save(PROJECT, "small", {"one": 9 * VECTOR, "three": VECTOR})
    found = await record.embeddings.find(PROJECT, "small", ["one", "two", "three", "four"])
    assert {text: list(vector) for text, vector in found.items()} == {
        "one": list(VECTOR),
        "two": list(2 * VECTOR),
        "three": list(VECTOR),
    }
    assert await record.embeddings.find(OTHER_PROJECT, "small", ["one"]) == {}
    async with record.write(ALL, ACTOR) as write:
        for wrong in ([np.nan], [np.inf], [], [[1.0]]):
            with pytest.raises(InvalidArgument):
                write.save_embeddings("small", {"x": np.array(wrong, dtype=np.float32)})


async def test_reads_join_the_vectors_of_a_memory_and_its_sentences(record: Record) -> None:
    text = "I moved to Oslo. I like it."
    whole, first, second = embedded_texts(text, "Ana")
    [stored, bare] = await add(record, memory(text, attributed_to="Ana"), memory("bare"))
    async with record.write(ALL, ACTOR) as write:
        write.save_embeddings("space", {whole: VECTOR, first: 2 * VECTOR, second: 3 * VECTOR})
    rows, position = await record.memories.scope_rows(ALL, ANA.owner, "space")
    assert position == 2
    assert [(row.memory, [list(one) for one in row.vectors]) for row in rows] == [
        (bare, []),
        (stored, [list(VECTOR), list(2 * VECTOR), list(3 * VECTOR)]),
    ]
    assert len((await record.memories.scope_rows(ALL, ANA.owner, "space", limit=1))[0]) == 1
    [tail, _] = await record.log.tail(ALL, ANA, 0, space="space")
    assert len(tail.vectors) == 3
    [change, other] = await record.log.changes(PROJECT, 0, limit=10, space="space")
    assert change.vector is not None and list(change.vector) == list(VECTOR) and len(change.vectors) == 1
    assert other.vector is None
    assert len(await record.log.changes(PROJECT, 0, limit=10, space="space", until=1)) == 1
    assert await record.embeddings.missing(PROJECT, "space", limit=9) == [(bare.id, ["bare"])]
    assert await record.embeddings.count_missing(PROJECT, "space") == 1
    assert len(await record.embeddings.missing(PROJECT, "elsewhere", limit=9)) == 2


async def test_who_has_memories_is_counted_as_they_change(record: Record, clock: TestClock) -> None:
    cook = Scope(user_id="ana", agent_id="cook")
    [first, second] = await add(record, memory("one", ANA), memory("two", cook))
    clock.advance(hours=1)
    await add(record, memory("three", BO))
    users, token = await record.entities.list_scope(ALL, "user_id")
    assert [(one.value, one.memories) for one in users] == [("bo", 1), ("ana", 2)] and token == ""
    assert [(one.value, one.memories) for one in (await record.entities.list_scope(ALL, "agent_id"))[0]] == [
        ("cook", 1)
    ]
    clock.advance(hours=1)
    await delete(record, second.id)
    ana = await record.entities.get_scope(ALL, "user_id", "ana")
    assert (
        ana.memories == 1
        and ana.last_activity - ana.first_activity > users[0].last_activity - users[1].last_activity
    )
    assert (await record.entities.get_scope(ALL, "agent_id", "cook")).memories == 0
    page, token = await record.entities.list_scope(ALL, "user_id", page_size=1)
    rest, end = await record.entities.list_scope(ALL, "user_id", page_size=1, page_token=token)
    assert [one.value for one in (*page, *rest)] == ["ana", "bo"] and end == ""
    assert first.scope == ANA
    with pytest.raises(NotFound):
        await record.entities.get_scope(ALL, "run_id", "nowhere")
    with pytest.raises(InvalidArgument):
        await record.entities.list_scope(ALL, "project_id")


async def test_named_entities_follow_their_memories(record: Record) -> None:
    [rome, both] = await add(
        record,
        memory("one", entities=(Entity("Rome"),)),
        memory("two", BO, entities=(Entity("ROME ", "PLACE"), Entity("Ana", "PERSON"))),
    )
    named, _ = await record.entities.list_named(ALL)
    assert sorted((one.name, one.type, one.memories) for one in named) == [
        ("Ana", "PERSON", 1),
        ("Rome", "PLACE", 2),
    ]
    assert await record.entities.memory_ids(ALL, "rome") == [both.id, rome.id]
    assert await record.entities.known_to(ALL, BO.owner) == [Entity("Ana", "PERSON"), Entity("Rome", "PLACE")]
    assert await record.entities.known_among(ALL, BO.owner, ["rome", "Paris", "\x00"]) == [
        Entity("Rome", "PLACE")
    ]
    assert await record.entities.known_among(ALL, BO.owner, []) == []
    async with record.write(ALL, ACTOR) as write:
        before = (await write.current([both.id]))[both.id]
        write.update(replace(before, entities=(Entity("Oslo", "PLACE"),)))
    named, _ = await record.entities.list_named(ALL)
    assert sorted((one.name, one.memories) for one in named) == [("Oslo", 1), ("Rome", 1)]
    await delete(record, rome.id)
    await delete(record, both.id)
    assert (await record.entities.list_named(ALL))[0] == []
    async with record.write(ALL, ACTOR) as write:
        await write.current([both.id], show_deleted=True)
        write.restore(both.id)
    assert [one.name for one in (await record.entities.list_named(ALL))[0]] == ["Oslo"]


async def test_a_name_that_only_superseded_memories_have_is_not_counted(record: Record) -> None:
    rome = Entity("Rome", "PLACE")
    [old, new] = await add(record, memory("one", entities=(rome,)), memory("two", entities=(rome,)))

    async def counted() -> list[int]:
        return [one.memories for one in (await record.entities.list_named(ALL))[0]]

    assert await counted() == [2]
    async with record.write(ALL, ACTOR) as write:
        await write.current([old.id, new.id])
        write.supersede(old.id, new.id)
    assert await counted() == [1]
    await migrate(record.database, "0006")  # as the release before counted
    assert await counted() == [2]
    await migrate(record.database)
    assert await counted() == [1]
    await delete(record, new.id)
    assert await counted() == []
    await erase(record, old.id)
    assert await counted() == []
    assert await record.entities.memory_ids(ALL, "Rome") == []


async def test_an_index_knows_how_far_it_is(record: Record) -> None:
    [stored] = await add(record, memory("one"))
    await rewrite(record, stored.id, "two")
    assert await record.index_cursors.positions("milvus") == {PROJECT: (0, 2), OTHER_PROJECT: (0, 0)}
    assert await record.index_cursors.behind("milvus") == {PROJECT: (0, 2)}
    await record.index_cursors.set(PROJECT, "milvus", 2)
    await record.index_cursors.set(PROJECT, "milvus", 1)
    assert await record.index_cursors.behind("milvus") == {}
    assert await record.index_cursors.behind("other") == {PROJECT: (0, 2)}
    await record.index_cursors.reset(PROJECT, "milvus", 1)
    assert await record.index_cursors.behind("milvus") == {PROJECT: (1, 2)}


async def test_projects_are_made_once_and_listed(record: Record) -> None:
    with pytest.raises(AlreadyExists):
        await record.projects.create(PROJECT)
    assert (await record.projects.ensure(PROJECT, "ignored")).display_name == ""
    changed = await record.projects.update(PROJECT, display_name="One", state=ProjectState.DISABLED)
    assert (changed.display_name, changed.state) == ("One", ProjectState.DISABLED)
    page, token = await record.projects.list(page_size=1)
    rest, end = await record.projects.list(page_size=1, page_token=token)
    assert [one.id for one in (*page, *rest)] == [PROJECT, OTHER_PROJECT] and end == ""
    await record.projects.update(PROJECT, state=ProjectState.DELETING)
    with pytest.raises(NotFound):
        await add(record, memory("too late"))
    with pytest.raises(NotFound):
        await record.projects.update("nowhere", display_name="x")
