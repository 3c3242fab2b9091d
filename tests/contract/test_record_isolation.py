"""What lies outside the project or the bound scope does not exist for a caller, in any read or write."""

from __future__ import annotations

import pytest

from mnemon_service.model.errors import NotFound, PermissionDenied, Reason
from mnemon_service.model.memory import Entity, Memory
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Selection
from support.records import ACTOR, ALL, ANA, BO, OTHER_PROJECT, PROJECT, add, memory, request

BOUND = Access(PROJECT, bound=BO)
FOREIGN = Access(OTHER_PROJECT)
STRANGERS = (FOREIGN, BOUND)


async def planted(record: Record) -> Memory:
    """A memory of Ana with everything that belongs to one."""
    async with record.write(ALL, ACTOR, request()) as write:
        [message] = await write.save_messages(ANA, [Message("I live in Rome")])
        stored = write.add(memory("lives in Rome", entities=(Entity("Rome", "PLACE"),))).memory
        operation = await write.enqueue("Rebuild", b"payload", scope=ANA)
        write.answer(b"answer")
    assert message.id and operation.id
    return stored


@pytest.mark.parametrize("stranger", STRANGERS, ids=["other project", "other bound scope"])
async def test_a_stranger_reads_nothing(record: Record, stranger: Access) -> None:
    stored = await planted(record)
    message = (await record.messages.last(ALL, ANA, 1))[0]
    operation = (await record.operations.list(ALL))[0][0]
    for show in (Selection(), Selection(scope=ANA), Selection(show_deleted=True, show_superseded=True)):
        assert await record.memories.hydrate(stranger, [stored.id], show) == {}
        assert (await record.memories.list(stranger, show)).memories == ()
        assert await record.memories.count(stranger, show) == 0
    with pytest.raises(NotFound):
        await record.memories.get(stranger, stored.id)
    with pytest.raises(NotFound):
        await record.log.versions_of(stranger, stored.id, show_deleted=True)
    assert (await record.log.after(stranger, 0))[0] == []
    assert (await record.log.after(stranger, 0, scope=ANA))[0] == []
    assert await record.log.tail(stranger, Scope(), 0, space="s") == []
    assert (await record.memories.scope_rows(stranger, ANA.owner, "s"))[0] == []
    assert await record.messages.last(stranger, ANA, 5) == []
    assert await record.messages.batch_get(stranger, [message.id]) == {}
    assert await record.entities.memory_ids(stranger, "rome") == []
    assert await record.entities.known_to(stranger, ANA.owner) == []
    assert await record.entities.known_among(stranger, ANA.owner, ["Ana", "Rex", "Berlin"]) == []
    with pytest.raises(NotFound):
        await record.entities.get_scope(stranger, "user_id", "ana")
    with pytest.raises(NotFound):
        await record.operations.get(stranger, operation.id)
    with pytest.raises(NotFound):
        await record.operations.request_cancel(stranger, operation.id)
    assert (await record.operations.list(stranger))[0] == []


@pytest.mark.parametrize("stranger", STRANGERS, ids=["other project", "other bound scope"])
async def test_a_stranger_changes_nothing(record: Record, stranger: Access) -> None:
    stored = await planted(record)
    async with record.write(stranger, ACTOR) as write:
        with pytest.raises(NotFound):
            await write.current([stored.id], show_deleted=True)
        assert await write.load([stored.id]) == []
        assert await write.select(Selection(show_deleted=True), limit=9) == []
        assert await write.duplicates(ANA, [stored.text]) == {}
        assert await write.changes_since(ANA.owner, 0) == []
        for change in (write.delete, write.restore, write.expire, write.erase):
            with pytest.raises(NotFound):
                change(stored.id)
    assert await record.memories.get(ALL, stored.id) == stored


async def test_a_bound_key_writes_within_its_scope_only(record: Record) -> None:
    async with record.write(BOUND, ACTOR) as write:
        with pytest.raises(PermissionDenied) as refused:
            write.add(memory("not mine", ANA))
        assert refused.value.reason is Reason.SCOPE_FORBIDDEN
        with pytest.raises(PermissionDenied):
            await write.save_messages(ANA, [Message("hello")])
        mine = write.add(memory("mine", Scope(user_id="bo", run_id="r"))).memory
    assert await record.memories.get(BOUND, mine.id) == mine


async def test_lists_of_entities_are_closed_to_bound_keys(record: Record) -> None:
    await planted(record)
    with pytest.raises(PermissionDenied):
        await record.entities.list_scope(BOUND, "user_id")
    with pytest.raises(PermissionDenied):
        await record.entities.list_named(BOUND)
    assert (await record.entities.list_scope(FOREIGN, "user_id"))[0] == []
    assert (await record.entities.list_named(FOREIGN))[0] == []


async def test_equal_ids_in_two_projects_are_two_things(record: Record) -> None:
    [mine] = await add(record, memory("mine"))
    [theirs] = await add(record, memory("theirs", id=mine.id), access=FOREIGN)
    assert (await record.memories.get(ALL, mine.id)).text == "mine"
    assert (await record.memories.get(FOREIGN, theirs.id)).text == "theirs"
    assert await record.stored_answer(FOREIGN, request()) is None


async def test_an_unknown_project_is_not_found(record: Record) -> None:
    nowhere = Access("nowhere")
    with pytest.raises(NotFound) as refused:
        async with record.write(nowhere, ACTOR):
            pass
    assert refused.value.reason is Reason.RESOURCE_NOT_FOUND
    with pytest.raises(NotFound):
        await record.log.last_sequence(nowhere)
    with pytest.raises(NotFound):
        await record.memories.list(nowhere, Selection())


async def test_an_erased_project_leaves_no_row(record: Record) -> None:
    await planted(record)
    await add(record, memory("other"), access=FOREIGN)
    assert await record.projects.erase(PROJECT, chunk=1) > 5
    with pytest.raises(NotFound):
        await record.projects.get(PROJECT)
    await record.projects.create(PROJECT)
    assert await record.log.last_sequence(ALL) == 0
    assert (await record.operations.list(ALL))[0] == []
    assert await record.stored_answer(ALL, request()) is None
    assert await record.log.last_sequence(FOREIGN) == 1
