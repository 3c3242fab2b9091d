"""The log and its projection: every change is one version, in one order, and any moment can be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mnemon_service.model.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    Reason,
)
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import (
    Entity,
    EventTime,
    Memory,
    MemoryState,
    MemoryType,
    Precision,
    Role,
    Source,
    VersionEvent,
)
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import AsOf, Selection
from support.records import (
    ACTOR,
    ALL,
    ANA,
    BO,
    PROJECT,
    TestClock,
    add,
    add_texts,
    delete,
    erase,
    memory,
    rewrite,
)

SPRING = datetime(2026, 4, 1, tzinfo=UTC)


def full_memory() -> Memory:
    """A memory with every field set, and texts that a careless layer would change."""
    return memory(
        "Ana moved to São Paulo's “Vila” \\ 100% _ 日本 🌊 \r\n end",
        Scope("ana", "agent", "app", "run"),
        type=MemoryType.EPISODIC,
        categories=("home", "Ünïcode", "it's"),
        metadata={
            "n": 1.5,
            "whole": 3,
            "large": 1e22,
            "b": True,
            "none": None,
            "list": [1, "a", [2]],
            'k"ey\\ \n': {"x": "y"},
        },
        attributed_to="Ana",
        event_time=EventTime(datetime(2023, 5, 1, tzinfo=UTC), Precision.MONTH, SPRING),
        expire_time=datetime(2400, 1, 1, 0, 0, 0, 123457, tzinfo=UTC),
        sources=(Source("m1", Role.USER, "moved", "Ana", SPRING), Source("m2", Role.ASSISTANT)),
        entities=(Entity("São Paulo", "PLACE"), Entity("Ana")),
        run_position=7,
        session="s1",
        confidence=0.8125,
        extractor="deterministic/1",
        create_time=datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=UTC),
    )


async def test_a_memory_comes_back_as_it_was_stored(record: Record) -> None:
    given = full_memory()
    [stored] = await add(record, given)
    assert await record.memories.get(ALL, given.id) == stored
    assert stored == replace(
        given, project_id=PROJECT, version=1, state=MemoryState.ACTIVE, update_time=stored.update_time
    )
    assert stored.sequence == 1


async def test_every_change_appends_one_version_in_order(record: Record) -> None:
    [first, second] = await add(record, memory("lives in Berlin"), memory("eats fish"))
    await rewrite(record, first.id, "lives in Lisbon")
    await delete(record, second.id)
    async with record.write(ALL, ACTOR) as write:
        await write.current([second.id], show_deleted=True)
        write.restore(second.id, reason="asked for it")
    rows, end = await record.log.after(ALL, 0)
    assert [(row.sequence, row.memory.id, row.memory.version, row.event) for row in rows] == [
        (1, first.id, 1, VersionEvent.ADDED),
        (2, second.id, 1, VersionEvent.ADDED),
        (3, first.id, 2, VersionEvent.UPDATED),
        (4, second.id, 2, VersionEvent.DELETED),
        (5, second.id, 3, VersionEvent.RESTORED),
    ]
    assert end == 5 == await record.log.last_sequence(ALL)
    assert (rows[2].previous_text, rows[2].memory.text) == ("lives in Berlin", "lives in Lisbon")
    assert rows[4].reason == "asked for it"
    assert {row.actor for row in rows} == {ACTOR}
    times = [row.record_time for row in rows if row.record_time]
    assert len(times) == 5 and times == sorted(times)


async def test_a_failed_write_leaves_nothing(record: Record) -> None:
    [kept] = await add(record, memory("kept"))
    with pytest.raises(RuntimeError, match="half way"):
        async with record.write(ALL, ACTOR) as write:
            write.add(memory("lost"))
            await write.current([kept.id])
            write.delete(kept.id)
            await write.save_messages(ANA, [])
            raise RuntimeError("half way")
    assert [row.memory.id for row in (await record.log.after(ALL, 0))[0]] == [kept.id]
    assert await record.memories.get(ALL, kept.id) == kept


async def test_a_thousand_memories_are_one_write_or_none(record: Record) -> None:
    many = [memory(f"fact {number}") for number in range(1000)]
    stored = await add(record, *many)
    assert [one.sequence for one in stored] == list(range(1, 1001))
    assert len(await record.memories.hydrate(ALL, [one.id for one in many])) == 1000
    with pytest.raises(AlreadyExists):
        await add(record, *[memory("again") for _ in range(500)], memory("taken", id=many[0].id))
    assert await record.log.last_sequence(ALL) == 1000
    async with record.write(ALL, ACTOR) as write:
        for one in (await write.current([one.id for one in many])).values():
            write.delete(one.id)
    assert await record.memories.hydrate(ALL, [one.id for one in many]) == {}
    assert await record.log.last_sequence(ALL) == 2000


async def test_several_changes_of_one_memory_in_one_write(record: Record) -> None:
    async with record.write(ALL, ACTOR) as write:
        added = write.add(memory("one")).memory
        changed = write.update(replace(added, text="two")).memory
        write.delete(changed.id)
        write.restore(changed.id)
    found = await record.memories.get(ALL, added.id)
    assert (found.text, found.version, found.state) == ("two", 4, MemoryState.ACTIVE)
    history, _ = await record.log.versions_of(ALL, added.id, newest_first=False)
    assert [row.memory.version for row in history] == [1, 2, 3, 4]
    assert [row.previous_text for row in history] == ["", "one", "two", "two"]


async def test_an_etag_protects_from_lost_updates(record: Record) -> None:
    [stored] = await add(record, memory("one"))
    changed = await rewrite(record, stored.id, "two")
    async with record.write(ALL, ACTOR) as write:
        await write.current([stored.id])
        with pytest.raises(Aborted) as refused:
            write.delete(stored.id, etag=stored.etag)
        with pytest.raises(Aborted):
            write.update(replace(stored, text="three"), etag=stored.etag)
        assert refused.value.reason is Reason.ETAG_MISMATCH
        assert refused.value.metadata["etag"] == changed.memory.etag
        write.update(replace(stored, text="three"), etag=changed.memory.etag)
    assert (await record.memories.get(ALL, stored.id)).text == "three"


async def test_an_update_cannot_move_a_memory_or_change_its_state(record: Record) -> None:
    [stored] = await add(record, memory("one"))
    async with record.write(ALL, ACTOR) as write:
        await write.current([stored.id])
        write.update(
            replace(
                stored, text="two", scope=BO, state=MemoryState.DELETED, project_id="x", create_time=SPRING
            )
        )
    found = await record.memories.get(ALL, stored.id)
    assert replace(found, text="one", version=1, update_time=stored.update_time) == stored


async def test_only_what_was_read_can_be_changed(record: Record) -> None:
    [stored] = await add(record, memory("one"))
    async with record.write(ALL, ACTOR) as write:
        with pytest.raises(NotFound):
            write.delete(stored.id)
        with pytest.raises(NotFound) as refused:
            await write.current([stored.id, new_id()])
        assert refused.value.reason is Reason.MEMORY_NOT_FOUND


async def test_a_superseded_memory_keeps_its_interval_and_points_on(record: Record) -> None:
    [berlin] = await add(
        record, memory("lives in Berlin", event_time=EventTime(datetime(2020, 1, 1, tzinfo=UTC)))
    )
    async with record.write(ALL, ACTOR) as write:
        await write.current([berlin.id])
        lisbon = write.add(memory("lives in Lisbon")).memory
        write.supersede(berlin.id, lisbon.id, ended=SPRING, reason="moved")
    old = await record.memories.get(ALL, berlin.id)
    assert (old.state, old.superseded_by) == (MemoryState.SUPERSEDED, lisbon.id)
    assert old.event_time is not None and old.event_time.end_time == SPRING
    page = await record.memories.list(ALL, Selection(scope=ANA))
    assert [one.id for one in page.memories] == [lisbon.id]
    page = await record.memories.list(ALL, Selection(scope=ANA, show_superseded=True))
    assert {one.id for one in page.memories} == {berlin.id, lisbon.id}
    await delete(record, berlin.id)
    async with record.write(ALL, ACTOR) as write:
        await write.current([berlin.id], show_deleted=True)
        assert write.restore(berlin.id).memory.state is MemoryState.SUPERSEDED


async def test_restoring_what_is_not_deleted_is_refused(record: Record) -> None:
    [stored] = await add(record, memory("one"))
    async with record.write(ALL, ACTOR) as write:
        await write.current([stored.id], show_deleted=True)
        with pytest.raises(FailedPrecondition) as refused:
            write.restore(stored.id)
    assert refused.value.reason is Reason.MEMORY_NOT_DELETED


async def test_a_memory_can_go_back_to_an_earlier_version(record: Record) -> None:
    [stored] = await add(record, full_memory())
    await rewrite(record, stored.id, "nonsense")
    async with record.write(ALL, ACTOR) as write:
        await write.current([stored.id])
        reverted = await write.revert(stored.id, 1)
        with pytest.raises(NotFound):
            await write.revert(stored.id, 9)
    assert (reverted.event, reverted.memory.version) == (VersionEvent.UPDATED, 3)
    found = await record.memories.get(ALL, stored.id)
    assert replace(found, version=1, update_time=stored.update_time) == stored


async def test_the_past_reads_as_it_was(record: Record, clock: TestClock) -> None:
    [berlin, fish] = await add(record, memory("lives in Berlin"), memory("eats fish"))
    tuesday, monday_end = clock.now, await record.log.last_sequence(ALL)
    clock.advance(days=1)
    await rewrite(record, berlin.id, "lives in Lisbon")
    await delete(record, fish.id)
    await add(record, memory("drives"))
    for moment in (AsOf(sequence=monday_end), AsOf(time=tuesday)):
        page = await record.memories.list(ALL, Selection(scope=ANA, as_of=moment))
        assert sorted(one.text for one in page.memories) == ["eats fish", "lives in Berlin"]
        assert await record.memories.get(ALL, berlin.id, as_of=moment) == berlin
        assert await record.memories.count(ALL, Selection(as_of=moment)) == 2
        assert (await record.memories.batch_get(ALL, [fish.id, berlin.id], as_of=moment)) == [fish, berlin]
    assert (await record.memories.list(ALL, Selection(as_of=AsOf(sequence=0)))).memories == ()
    assert (
        await record.memories.list(ALL, Selection(as_of=AsOf(time=SPRING - timedelta(days=99))))
    ).memories == ()
    with pytest.raises(NotFound):
        await record.memories.get(ALL, berlin.id, as_of=AsOf(sequence=0))
    with pytest.raises(OutOfRange):
        await record.memories.get(ALL, berlin.id, as_of=AsOf(sequence=99))
    for wrong in (AsOf(), AsOf(sequence=1, time=SPRING), AsOf(sequence=-1)):
        with pytest.raises(InvalidArgument):
            await record.memories.get(ALL, berlin.id, as_of=wrong)


async def test_the_past_shows_what_has_expired_since(record: Record, clock: TestClock) -> None:
    """Also at the log's last position: it is judged by that change's time, not by now. What was restored
    after its expiry is gone in between and there again afterwards."""
    [short] = await add(record, memory("parked on level 3", expire_time=clock.now + timedelta(hours=1)))
    here = await record.log.last_sequence(ALL)
    clock.advance(hours=2)
    expired = clock.now
    at_the_end = await record.memories.list(ALL, Selection(as_of=AsOf(sequence=here)))
    assert at_the_end.memories == (short,)
    assert await record.memories.get(ALL, short.id, as_of=AsOf(sequence=here)) == short
    assert (await record.memories.list(ALL, Selection())).memories == ()
    clock.advance(hours=1)
    async with record.write(ALL, ACTOR) as write:
        await write.load([short.id])
        back = write.restore(short.id).memory
    assert (await record.memories.list(ALL, Selection(as_of=AsOf(time=expired)))).memories == ()
    for moment, truth in ((AsOf(sequence=here), short), (AsOf(sequence=here + 1), back), (None, back)):
        assert (await record.memories.list(ALL, Selection(as_of=moment))).memories == (truth,)


async def test_deleted_memories_are_in_no_read(record: Record) -> None:
    [kept, gone] = await add(record, memory("kept"), memory("gone"))
    await delete(record, gone.id)
    with pytest.raises(NotFound):
        await record.memories.get(ALL, gone.id)
    with pytest.raises(NotFound):
        await record.memories.batch_get(ALL, [kept.id, gone.id])
    with pytest.raises(NotFound):
        await record.log.versions_of(ALL, gone.id)
    assert list(await record.memories.hydrate(ALL, [gone.id, kept.id])) == [kept.id]
    assert [one.id for one in (await record.memories.list(ALL, Selection())).memories] == [kept.id]
    assert await record.memories.count(ALL, Selection()) == 1
    rows, _ = await record.memories.scope_rows(ALL, ANA.owner, "space")
    assert [row.memory.id for row in rows] == [kept.id]
    async with record.write(ALL, ACTOR) as write:
        assert list(await write.duplicates(ANA, ["kept", "gone"])) == ["kept"]
        assert [one.id for one in await write.select(Selection(scope=ANA), limit=10)] == [kept.id]
        with pytest.raises(NotFound):
            await write.current([gone.id])
    shown = await record.memories.get(ALL, gone.id, show_deleted=True)
    assert shown.state is MemoryState.DELETED
    history, _ = await record.log.versions_of(ALL, gone.id, show_deleted=True)
    assert [row.event for row in history] == [VersionEvent.DELETED, VersionEvent.ADDED]


async def test_an_erased_memory_leaves_a_tombstone_without_content(record: Record) -> None:
    [gone, kept] = await add(record, full_memory(), memory("kept"))
    await rewrite(record, gone.id, "second text")
    await erase(record, gone.id)
    rows, end = await record.log.after(ALL, 0)
    assert [row.sequence for row in rows] == [1, 2, 3, 4] and end == 4
    for row in (rows[0], rows[2], rows[3]):
        assert row.memory.scope == gone.scope
        assert (row.memory.text, row.previous_text, row.reason) == ("", "", "")
        assert row.memory.metadata == {} and row.memory.sources == () and row.memory.entities == ()
        assert row.memory.categories == () and row.memory.attributed_to == ""
    assert rows[3].event is VersionEvent.ERASED and rows[3].memory.version == 3
    for moment in (None, AsOf(sequence=1), AsOf(sequence=3)):
        with pytest.raises(NotFound):
            await record.memories.get(ALL, gone.id, as_of=moment, show_deleted=True)
        page = await record.memories.list(ALL, Selection(as_of=moment, show_deleted=True))
        assert gone.id not in {one.id for one in page.memories}
    async with record.write(ALL, ACTOR) as write:
        assert await write.load([gone.id]) == []
        with pytest.raises(NotFound):
            await write.current([gone.id], show_deleted=True)
    assert (await record.memories.get(ALL, kept.id)).text == "kept"


async def test_duplicates_are_found_in_the_same_stored_scope_only(record: Record) -> None:
    [fish] = await add(record, memory("Ana eats fish."))
    await add(record, memory("eats meat", BO), memory("eats nuts", Scope(user_id="ana", agent_id="cook")))
    async with record.write(ALL, ACTOR) as write:
        found = await write.duplicates(
            ANA, ["ana  eats FISH", "Ana eats fish?", "eats meat", "eats nuts", "new"]
        )
        assert found == {"ana  eats FISH": fish}
        added = write.add(memory("new")).memory
        assert (await write.duplicates(ANA, ["New."])) == {"New.": added}
        write.delete(fish.id)
        assert await write.duplicates(ANA, ["Ana eats fish"]) == {}


async def test_changes_since_a_plan_are_seen(record: Record) -> None:
    [first, second] = await add_texts(record, ["one", "two"])
    planned_at = await record.log.last_sequence(ALL)
    await rewrite(record, first.id, "one again")
    await delete(record, second.id)
    await add_texts(record, ["other"], BO)
    async with record.write(ALL, ACTOR) as write:
        changed = await write.changes_since(ANA.owner, planned_at)
        assert [(one.id, one.state) for one in changed] == [
            (first.id, MemoryState.ACTIVE),
            (second.id, MemoryState.DELETED),
        ]
        assert await write.changes_since(ANA.owner, write.sequence_before) == []


async def test_what_no_database_can_keep_is_refused(record: Record) -> None:
    for wrong in (
        memory("NUL \x00"),
        memory("half \ud800"),
        memory("x", metadata={"k": "\x00"}),
        memory("x", metadata={"\x00": 1}),
        memory("x", metadata={"k": float("nan")}),
        memory("x", metadata={"k": [10**400]}),
        memory("x", categories=("\x00",)),
        memory("x", id="1 or 1=1"),
        memory("x", Scope()),
    ):
        with pytest.raises(InvalidArgument):
            await add(record, wrong)
    assert await record.log.last_sequence(ALL) == 0


async def test_history_comes_in_pages(record: Record) -> None:
    [stored] = await add(record, memory("text 1"))
    for number in range(2, 8):
        await rewrite(record, stored.id, f"text {number}")
    seen, token = [], ""
    while True:
        rows, token = await record.log.versions_of(ALL, stored.id, page_size=3, page_token=token)
        seen += [row.memory.text for row in rows]
        if not token:
            break
        await rewrite(record, stored.id, "later")
    assert seen == [f"text {number}" for number in range(7, 0, -1)]


async def test_the_tail_shows_the_newest_change_of_each_memory(record: Record) -> None:
    [first, second, third] = await add_texts(record, ["one", "two", "three"])
    await add_texts(record, ["other"], BO)
    await rewrite(record, second.id, "two again")
    await delete(record, first.id)
    tail = await record.log.tail(ALL, ANA, 1, space="space")
    assert [(change.version.memory.id, change.version.event) for change in tail] == [
        (third.id, VersionEvent.ADDED),
        (second.id, VersionEvent.UPDATED),
        (first.id, VersionEvent.DELETED),
    ]
    assert await record.log.tail(ALL, ANA, 6, space="space") == []


async def test_the_log_can_be_read_by_scope_and_event_with_a_position_to_go_on_from(record: Record) -> None:
    [first] = await add_texts(record, ["one"])
    await add_texts(record, ["a", "b"], BO)
    await delete(record, first.id)
    rows, position = await record.log.after(ALL, 0, scope=ANA)
    assert [row.sequence for row in rows] == [1, 4] and position == 4
    rows, position = await record.log.after(ALL, 0, scope=ANA, limit=1)
    assert [row.sequence for row in rows] == [1] and position == 1
    rows, position = await record.log.after(ALL, 1, events=[VersionEvent.DELETED])
    assert [row.sequence for row in rows] == [4]
    rows, position = await record.log.after(ALL, 1, scope=Scope(user_id="nobody"))
    assert rows == [] and position == 4


async def test_the_order_of_the_log_outlives_a_clock_that_goes_back(record: Record, clock: TestClock) -> None:
    [first] = await add_texts(record, ["one"])
    clock.advance(hours=-1)
    [second] = await add_texts(record, ["two"])
    rows, _ = await record.log.after(ALL, 0)
    times = [row.record_time for row in rows if row.record_time is not None]
    assert len(times) == 2 and times[0] <= times[1]
    page = await record.memories.list(ALL, Selection(as_of=AsOf(time=times[1])))
    assert {one.id for one in page.memories} == {first.id, second.id}
    assert (await record.memories.list(ALL, Selection(as_of=AsOf(time=clock.now)))).memories == ()
