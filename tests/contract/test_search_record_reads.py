"""What a search reads of the record, on both databases."""

from __future__ import annotations

from typing import Any

import numpy as np

from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Memory
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, AsOf, Selection
from support.records import ACTOR, ALL, ANA, BO, OTHER_PROJECT, add, delete, memory, rewrite

SPACE = "test/4"
RUN = Scope(user_id="ana", run_id="run")


async def add_with_vectors(record: Record, *memories: Memory) -> list[Memory]:
    """Adds memories; the nth vector of a text points to n."""
    async with record.write(ALL, ACTOR) as write:
        for one in memories:
            texts = embedded_texts(one.text, one.attributed_to)
            write.save_embeddings(SPACE, {text: _vector(place) for place, text in enumerate(texts)})
        return [write.add(one).memory for one in memories]


def _vector(place: int) -> Any:
    return np.eye(4, dtype=np.float32)[place]


async def test_a_selection_comes_with_the_vectors_of_its_sentences(record: Record) -> None:
    [two, _] = await add_with_vectors(record, memory("One. Two."), memory("Three", BO))
    [bare] = await add(record, memory("nobody embedded this"))
    rows, position = await record.memories.rows(ALL, Selection(ANA), SPACE)
    vectors = {row.memory.id: [int(vector.argmax()) for vector in row.vectors] for row in rows}
    assert vectors == {two.id: [0, 1, 2], bare.id: []}
    assert position == 3
    assert (await record.memories.rows(ALL, Selection(ANA), "other/4"))[0][0].vectors == ()


async def test_rows_are_those_that_selection_and_access_allow(record: Record) -> None:
    hers, gone, his = await add(record, memory("hers"), memory("gone"), memory("his", BO))
    await delete(record, gone.id)
    every = [hers.id, gone.id, his.id]

    async def found(access: Access, selection: Selection) -> set[str]:
        rows, _ = await record.memories.rows(access, selection, SPACE, memory_ids=every)
        return {row.memory.id for row in rows}

    assert await found(ALL, Selection()) == {hers.id, his.id}
    assert await found(ALL, Selection(ANA)) == {hers.id}
    assert await found(Access(ALL.project_id, BO), Selection()) == {his.id}
    assert await found(Access(ALL.project_id, BO), Selection(ANA)) == set()
    assert await found(Access(OTHER_PROJECT), Selection()) == set()
    assert await found(ALL, Selection(as_of=AsOf(sequence=2))) == {hers.id, gone.id}


async def test_a_tail_says_where_the_log_ended(record: Record) -> None:
    [first, _] = await add_with_vectors(record, memory("One. Two."), memory("his", BO))
    assert await record.log.tail_and_end(ALL, ANA, 2, space=SPACE) == ([], 2)
    await rewrite(record, first.id, "changed")
    await delete(record, first.id)
    changes, end = await record.log.tail_and_end(ALL, ANA, 0, space=SPACE)
    assert [(change.version.sequence, change.version.memory.id) for change in changes] == [(4, first.id)]
    assert end == 4
    assert await record.log.tail_and_end(ALL, BO, 2, space=SPACE) == ([], 4)
    assert await record.log.tail_and_end(Access(ALL.project_id, BO), ANA, 0, space=SPACE) == ([], 4)


async def test_what_stands_beside_is_found_by_its_place(record: Record) -> None:
    placed = [memory(f"place {place}", RUN, run_position=place, session="s") for place in (1, 2, 3, 12)]
    elsewhere = [
        memory("another sitting", RUN, run_position=2, session="t"),
        memory("another user", Scope(user_id="bo", run_id="run"), run_position=2, session="s"),
        memory("another run", Scope(user_id="ana", run_id="other"), run_position=2, session="s"),
    ]
    await add_with_vectors(record, *placed, *elsewhere)
    places = {("run", "s"): {1, 2, 12}, ("", "s"): {2}, ("gone", ""): {1}}
    rows = await record.memories.beside(ALL, Selection(ANA), SPACE, places)
    assert sorted(row.memory.text for row in rows) == ["place 1", "place 12", "place 2"]
    assert all(len(row.vectors) == 1 for row in rows)
    assert await record.memories.beside(Access(ALL.project_id, BO), Selection(ANA), SPACE, places) == []
    assert await record.memories.beside(ALL, Selection(ANA), SPACE, {}) == []


async def test_the_newest_messages_of_a_scope(record: Record) -> None:
    for number in range(3):
        async with record.write(ALL, ACTOR) as write:
            await write.save_messages(RUN if number % 2 else ANA, [Message(f"said {number}")])
            await write.save_messages(BO, [Message("not hers")])

    async def said(access: Access, scope: Scope, limit: int = 10) -> list[str]:
        return [message.content for message in await record.messages.newest(access, scope, limit)]

    assert await said(ALL, ANA) == ["said 2", "said 1", "said 0"]
    assert await said(ALL, ANA, 2) == ["said 2", "said 1"]
    assert await said(ALL, RUN) == ["said 1"]
    assert len(await said(ALL, Scope())) == 6
    assert await said(Access(ALL.project_id, BO), ANA) == []
    assert await said(Access(OTHER_PROJECT), ANA) == []


async def test_a_write_is_announced_before_it_returns(record: Record) -> None:
    assert record.signal.announced(ALL.project_id) == 0
    await add(record, memory("one"), memory("two"))
    assert record.signal.announced(ALL.project_id) == 2
    assert record.signal.announced(OTHER_PROJECT) == 0
