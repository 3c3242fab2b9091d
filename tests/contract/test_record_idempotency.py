"""A request takes effect once, whatever happens between its first try and its last."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from mnemon_service.model.errors import AlreadyExists, OutOfRange, Reason
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, RequestKey, Selection
from support.records import ACTOR, ALL, OTHER_PROJECT, TestClock, erase, memory, request


async def once(record: Record, key: RequestKey, text: str = "one") -> bytes:
    """What a servicer does: answer again what was answered, else do it and keep the answer."""
    async with record.write(ALL, ACTOR, key) as write:
        if write.stored_answer is not None:
            return write.stored_answer
        answer = write.add(memory(text)).memory.id.encode()
        write.answer(answer)
    return answer


async def test_the_same_request_gives_the_same_answer_and_no_second_effect(record: Record) -> None:
    first = await once(record, request())
    assert await once(record, request()) == first
    assert await record.stored_answer(ALL, request()) == first
    assert await record.log.last_sequence(ALL) == 1


async def test_twins_at_the_same_time_take_effect_once(record: Record) -> None:
    answers = await asyncio.gather(*(once(record, request(), f"try {number}") for number in range(8)))
    assert len(set(answers)) == 1
    assert await record.log.last_sequence(ALL) == 1


@pytest.mark.parametrize("other", [request(body="another"), request(method="DeleteMemory")])
async def test_the_id_of_another_request_is_refused(record: Record, other: RequestKey) -> None:
    await once(record, request())
    with pytest.raises(AlreadyExists) as refused:
        await once(record, other)
    assert refused.value.reason is Reason.REQUEST_ID_REUSED
    with pytest.raises(AlreadyExists):
        await record.stored_answer(ALL, other)
    assert await record.log.last_sequence(ALL) == 1


async def test_a_first_try_that_died_half_way_does_not_count(record: Record) -> None:
    with pytest.raises(ConnectionError):
        async with record.write(ALL, ACTOR, request()) as write:
            write.add(memory("one"))
            write.answer(b"never seen")
            raise ConnectionError("died")
    assert await record.stored_answer(ALL, request()) is None
    answer = await once(record, request())
    assert answer != b"never seen"
    assert await record.log.last_sequence(ALL) == 1


async def test_a_request_without_effect_is_answered_once_too(record: Record) -> None:
    async with record.write(ALL, ACTOR, request()) as write:
        write.answer(b"nothing to do")
    assert await record.stored_answer(ALL, request()) == b"nothing to do"


async def test_request_ids_belong_to_their_project(record: Record) -> None:
    await once(record, request())
    async with record.write(Access(OTHER_PROJECT), ACTOR, request(body="theirs")) as write:
        assert write.stored_answer is None


async def test_an_answer_is_kept_for_a_day(record: Record, clock: TestClock) -> None:
    await once(record, request())
    clock.advance(hours=23)
    assert await record.retention.drop_old_answers() == 0
    clock.now += timedelta(hours=1)
    assert await record.retention.drop_old_answers() == 1
    assert await record.stored_answer(ALL, request()) is None


async def test_an_erasure_takes_the_answers_that_showed_the_memory(record: Record) -> None:
    memory_id = (await once(record, request())).decode()
    await erase(record, memory_id)
    with pytest.raises(OutOfRange) as refused:
        await once(record, request())
    assert refused.value.reason is Reason.HISTORY_ERASED
    assert (await record.memories.list(ALL, Selection())).memories == ()


async def test_a_write_whose_commit_answer_was_lost_is_found_by_its_request(record: Record) -> None:
    """What `Record.write` does when the connection breaks during COMMIT: see also the fault tests."""
    answer = await once(record, request())
    await record._resolve(ALL, request())
    assert await record.stored_answer(ALL, request()) == answer
