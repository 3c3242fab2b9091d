"""What goes with time, and that nothing of it is left anywhere."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from mnemon_service.model.errors import InvalidArgument, NotFound
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Entity, MemoryState, Role, Source, VersionEvent
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.operation import OperationState
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Selection
from support.postgres import PostgresServer
from support.records import (
    ACTOR,
    ALL,
    ANA,
    BO,
    PROJECT,
    TestClock,
    add,
    delete,
    erase,
    memory,
    request,
    rewrite,
)

SECRET = "Zyzzogeton-4711"


async def test_an_expired_memory_is_gone_at_its_instant_in_every_read(
    record: Record, clock: TestClock
) -> None:
    [short, long] = await add(
        record,
        memory("short", expire_time=clock.now + timedelta(hours=1)),
        memory("long", expire_time=clock.now + timedelta(hours=9)),
    )
    before = await record.memories.list(ALL, Selection(), page_size=1)
    clock.advance(hours=1)
    with pytest.raises(NotFound):
        await record.memories.get(ALL, short.id, show_deleted=True)
    with pytest.raises(NotFound):
        await record.log.versions_of(ALL, short.id)
    assert list(await record.memories.hydrate(ALL, [short.id, long.id])) == [long.id]
    assert await record.memories.count(ALL, Selection(show_deleted=True, show_superseded=True)) == 1
    assert [one.id for one in (await record.memories.list(ALL, Selection())).memories] == [long.id]
    later = await record.memories.list(ALL, Selection(), page_size=1, page_token=before.next_page_token)
    assert short.id not in {one.id for one in later.memories}
    assert [row.memory.id for row in (await record.memories.scope_rows(ALL, ANA.owner, "s"))[0]] == [long.id]
    async with record.write(ALL, ACTOR) as write:
        assert await write.duplicates(ANA, ["short"]) == {}
        with pytest.raises(NotFound):
            await write.current([short.id], show_deleted=True)


async def test_the_sweeper_logs_each_expiry_once(record: Record, clock: TestClock) -> None:
    [short, _] = await add(
        record, memory("short", expire_time=clock.now + timedelta(hours=1)), memory("stays")
    )
    assert await record.retention.log_expired(PROJECT) == 0
    clock.advance(hours=1)
    assert await record.retention.log_expired(PROJECT) == 1
    assert await record.retention.log_expired(PROJECT) == 0
    [row] = (await record.log.after(ALL, 2))[0]
    assert (row.memory.id, row.event, row.memory.state) == (
        short.id,
        VersionEvent.EXPIRED,
        MemoryState.EXPIRED,
    )
    assert row.actor.operation == "Sweeper"


async def test_deleted_memories_are_erased_after_their_retention(record: Record, clock: TestClock) -> None:
    [gone, kept, expiring] = await add(
        record,
        memory("gone"),
        memory("kept"),
        memory("expiring", expire_time=clock.now + timedelta(minutes=1)),
    )
    await delete(record, gone.id)
    clock.advance(minutes=2)
    await record.retention.log_expired(PROJECT)
    clock.advance(days=29)
    assert await record.retention.erase_due(PROJECT) == 0
    assert (await record.memories.get(ALL, gone.id, show_deleted=True)).text == "gone"
    clock.advance(days=2)
    assert await record.retention.erase_due(PROJECT, limit=1) == 1
    assert await record.retention.erase_due(PROJECT) == 1
    assert await record.retention.erase_due(PROJECT) == 0
    for one in (gone, expiring):
        with pytest.raises(NotFound):
            await record.memories.get(ALL, one.id, show_deleted=True)
    assert (await record.memories.get(ALL, kept.id)).text == "kept"


async def test_a_restored_memory_is_not_erased(record: Record, clock: TestClock) -> None:
    [stored] = await add(record, memory("back"))
    await delete(record, stored.id)
    clock.advance(days=20)
    async with record.write(ALL, ACTOR) as write:
        await write.current([stored.id], show_deleted=True)
        write.restore(stored.id)
    clock.advance(days=20)
    assert await record.retention.erase_due(PROJECT) == 0


async def secret_everywhere(record: Record) -> str:
    """A memory whose secret lies in every place that can hold one; its id."""
    text = f"The word is {SECRET}. I told you. It is {SECRET}."
    async with record.write(ALL, ACTOR, request("secret")) as write:
        [message] = await write.save_messages(ANA, [Message(text, name="Ana")])
        stored = write.add(
            memory(
                text,
                metadata={"word": SECRET},
                categories=(SECRET,),
                attributed_to="Ana",
                sources=(Source(message.id, Role.USER, text, "Ana"),),
                entities=(Entity(SECRET, "PRODUCT"),),
                session=SECRET,
            ),
            reason=f"said {SECRET}",
        ).memory
        texts = embedded_texts(text, "Ana")
        write.save_embeddings("space", {one: np.arange(8, dtype=np.float32) for one in texts})
        write.answer(f"stored {SECRET}".encode())
    await rewrite(record, stored.id, f"changed {SECRET}")
    return stored.id


async def test_an_erasure_leaves_no_byte_in_the_files(
    record: Record, location: str, request: pytest.FixtureRequest
) -> None:
    memory_id = await secret_everywhere(record)
    [kept] = await add(record, memory("kept", BO))
    server = request.getfixturevalue("postgres_server") if location.startswith("postgresql") else None
    assert await in_files(SECRET, location, server), "the search of this test finds what is there"
    await erase(record, memory_id)
    await record.retention.scrub(rewrite=True)
    assert not await in_files(SECRET, location, server)
    assert await record.messages.last(ALL, ANA, 9) == []
    assert await record.entities.memory_ids(ALL, SECRET) == []
    assert (await record.entities.list_named(ALL))[0] == []
    assert [one.value for one in (await record.entities.list_scope(ALL, "user_id"))[0]] == ["bo"]
    texts = embedded_texts(f"The word is {SECRET}. I told you. It is {SECRET}.", "Ana")
    assert len(texts) == 4 and await record.embeddings.find(PROJECT, "space", texts) == {}
    assert (await record.memories.get(ALL, kept.id)).text == "kept"


async def in_files(secret: str, location: str, server: PostgresServer | None) -> bool:
    """True if the database's tables and files hold these bytes (PostgreSQL's own log of changes, which it
    recycles in its time, is not searched)."""
    if server is None:
        paths = list(Path(location).parent.glob("mnemon.db*"))
    else:
        await server.execute("CHECKPOINT")
        paths = [path for path in (server.data / "base").rglob("*") if path.is_file()]

    def search() -> bool:
        return any(secret.encode() in path.read_bytes() for path in paths)

    return await asyncio.to_thread(search)


async def test_an_erasure_keeps_what_another_memory_needs(record: Record) -> None:
    async with record.write(ALL, ACTOR) as write:
        [message] = await write.save_messages(ANA, [Message("two facts")])
        source = (Source(message.id, Role.USER),)
        [first, second] = [write.add(memory("same text", sources=source)).memory for _ in range(2)]
        write.save_embeddings("space", {"same text": np.ones(3, np.float32)})
    assert (await record.messages.drawn_memories(ALL, [message.id]))[message.id] == [first.id, second.id]
    await erase(record, first.id)
    assert [one.id for one in await record.messages.last(ALL, ANA, 9)] == [message.id]
    assert list(await record.embeddings.find(PROJECT, "space", ["same text"])) == ["same text"]
    assert (await record.messages.drawn_memories(ALL, [message.id]))[message.id] == [second.id]
    await erase(record, second.id)
    assert await record.messages.last(ALL, ANA, 9) == []
    assert await record.embeddings.find(PROJECT, "space", ["same text"]) == {}


async def test_messages_go_by_age_and_by_number(record: Record, clock: TestClock) -> None:
    for turn in range(4):
        async with record.write(ALL, ACTOR) as write:
            await write.save_messages(ANA, [Message(f"turn {turn}")])
            await write.save_messages(BO, [Message(f"turn {turn}")])
        clock.advance(days=1)
    assert await record.retention.drop_old_messages(PROJECT, keep=timedelta(days=3, hours=1)) == 2
    assert await record.retention.drop_old_messages(PROJECT, keep=None, keep_last=2) == 2
    assert await record.retention.drop_old_messages(PROJECT, keep=None) == 0
    assert [one.content for one in await record.messages.last(ALL, ANA, 9)] == ["turn 2", "turn 3"]


async def test_a_subject_leaves_nothing_but_its_tombstones(record: Record, location: str) -> None:
    await secret_everywhere(record)
    [kept] = await add(record, memory("kept", BO))
    lease = timedelta(seconds=30)
    async with record.write(ALL, ACTOR) as write:
        running = await write.enqueue("Work", SECRET.encode(), scope=ANA)
    claim = await record.operations.claim("w", types=["Work"], lease=lease)
    assert claim is not None
    async with record.write(ALL, ACTOR) as write:
        waiting = await write.enqueue("Work", SECRET.encode(), scope=ANA)
        own = await write.enqueue("EraseSubject", b"ana", scope=ANA)
        others = await write.enqueue("Work", b"theirs", scope=BO)
    async with record.write(ALL, ACTOR) as write:
        for one in await write.load_scope(ANA, limit=100):
            write.erase(one.id)
        erased = await write.erase_beside(ANA, keep_operation=own.id)
    assert (erased.messages, erased.operations, erased.answers) == (1, 2, 1)
    assert await record.messages.last(ALL, ANA, 9) == []
    shown = {one.id: one for one in (await record.operations.list(ALL))[0]}
    assert shown[waiting.id].state is OperationState.CANCELLED and shown[waiting.id].payload == b""
    assert shown[running.id].cancel_requested
    assert (shown[own.id].payload, shown[others.id].payload) == (b"ana", b"theirs")
    await record.operations.cancelled(claim)
    await record.retention.scrub()
    if not location.startswith("postgresql"):
        assert not await in_files(SECRET, location, None)
    async with record.write(ALL, ACTOR) as write:
        assert await write.load_scope(ANA, limit=9) == []
        assert await write.allocate_positions(ANA, 1) == 1
        with pytest.raises(InvalidArgument):
            await write.erase_beside(Scope())
    assert (await record.memories.get(ALL, kept.id)).text == "kept"
