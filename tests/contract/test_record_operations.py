"""Background work: claimed with leases, fair between projects, done once, survivors go on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from mnemon_service.model.errors import Aborted, FailedPrecondition, NotFound, Reason, ResourceExhausted
from mnemon_service.record.operation import Operation, OperationState
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from support.records import ACTOR, ALL, ANA, OTHER_PROJECT, PROJECT, TestClock, memory, request

LEASE = timedelta(seconds=30)


async def enqueue(record: Record, count: int = 1, access: Access = ALL) -> list[Operation]:
    async with record.write(access, ACTOR) as write:
        return [
            await write.enqueue("Work", f"payload {n}".encode(), scope=ANA, total=5) for n in range(count)
        ]


async def test_work_is_claimed_once_and_ends_with_its_result(record: Record) -> None:
    [queued] = await enqueue(record)
    assert (await record.operations.get(ALL, queued.id)).state is OperationState.PENDING
    claims = await asyncio.gather(
        *(record.operations.claim(f"worker {n}", types=["Work"], lease=LEASE) for n in range(5))
    )
    [claim] = [one for one in claims if one is not None]
    assert (claim.operation.id, claim.operation.payload, claim.operation.attempts) == (
        queued.id,
        b"payload 0",
        1,
    )
    assert not await record.operations.heartbeat(claim, LEASE, done=3, total=5)
    shown = await record.operations.get(ALL, queued.id)
    assert (shown.state, shown.progress_done, shown.progress_total) == (OperationState.RUNNING, 3, 5)
    await record.operations.succeed(claim, b"result")
    ended = await record.operations.get(ALL, queued.id)
    assert (ended.state, ended.result, ended.payload) == (OperationState.SUCCEEDED, b"result", b"")
    assert ended.end_time is not None and ended.start_time is not None
    with pytest.raises(Aborted):
        await record.operations.succeed(claim, b"again")
    assert await record.operations.claim("late", types=["Work"], lease=LEASE) is None


async def test_a_worker_takes_only_the_types_it_knows(record: Record) -> None:
    await enqueue(record)
    assert await record.operations.claim("w", types=["Other"], lease=LEASE) is None
    assert await record.operations.claim("w", types=["Other", "Work"], lease=LEASE) is not None


async def test_a_dead_workers_operation_goes_on_from_its_checkpoint(record: Record, clock: TestClock) -> None:
    [queued] = await enqueue(record)
    first = await record.operations.claim("dies", types=["Work"], lease=LEASE)
    assert first is not None
    async with record.write(ALL, ACTOR) as write:
        write.add(memory("first half"))
        write.checkpoint(first, checkpoint=b"half", done=1)
    assert await record.operations.claim("early", types=["Work"], lease=LEASE) is None
    clock.advance(seconds=31)
    second = await record.operations.claim("heir", types=["Work"], lease=LEASE)
    assert second is not None and second.operation.checkpoint == b"half" and second.operation.attempts == 2
    with pytest.raises(Aborted) as refused:
        async with record.write(ALL, ACTOR) as write:
            write.add(memory("the dead one speaks"))
            write.checkpoint(first, checkpoint=b"whole")
    assert refused.value.reason is Reason.CONCURRENT_CHANGE
    with pytest.raises(Aborted):
        await record.operations.heartbeat(first, LEASE)
    async with record.write(ALL, ACTOR) as write:
        write.add(memory("second half"))
        write.complete(second, b"done")
    assert [row.memory.text for row in (await record.log.after(ALL, 0))[0]] == ["first half", "second half"]
    assert (await record.operations.get(ALL, queued.id)).state is OperationState.SUCCEEDED


async def test_a_failed_attempt_waits_for_its_time(record: Record, clock: TestClock) -> None:
    [queued] = await enqueue(record)
    claim = await record.operations.claim("w", types=["Work"], lease=LEASE)
    assert claim is not None
    await record.operations.retry_later(claim, timedelta(seconds=10), "PROVIDER_UNAVAILABLE", "away")
    shown = await record.operations.get(ALL, queued.id)
    assert (shown.state, shown.error_reason, shown.payload) == (
        OperationState.PENDING,
        "PROVIDER_UNAVAILABLE",
        b"payload 0",
    )
    assert await record.operations.claim("w", types=["Work"], lease=LEASE) is None
    clock.advance(seconds=10)
    claim = await record.operations.claim("w", types=["Work"], lease=LEASE)
    assert claim is not None and claim.operation.attempts == 2
    await record.operations.fail(claim, "PROVIDER_UNAVAILABLE", "gave up")
    ended = await record.operations.get(ALL, queued.id)
    assert (ended.state, ended.error_message) == (OperationState.FAILED, "gave up")


async def test_a_project_with_much_work_does_not_keep_another_waiting(record: Record) -> None:
    await enqueue(record, 10)
    await enqueue(record, 2, Access(OTHER_PROJECT))
    order = []
    while claim := await record.operations.claim("w", types=["Work"], lease=LEASE, per_project=3):
        order.append(claim.operation.project_id)
    assert order == [PROJECT, OTHER_PROJECT, PROJECT, OTHER_PROJECT, PROJECT]


async def test_one_project_gets_its_work_in_order(record: Record) -> None:
    queued = await enqueue(record, 3)
    claimed = []
    while claim := await record.operations.claim("w", types=["Work"], lease=LEASE):
        claimed.append(claim.operation.id)
    assert claimed == [one.id for one in queued]


async def test_the_queue_is_bounded(record: Record) -> None:
    async with record.write(ALL, ACTOR) as write:
        for _ in range(3):
            await write.enqueue("Work", b"", queue_limit=3)
        with pytest.raises(ResourceExhausted) as refused:
            await write.enqueue("Work", b"", queue_limit=3)
    assert refused.value.reason is Reason.QUEUE_FULL and refused.value.retry_after
    assert len((await record.operations.list(ALL))[0]) == 3


async def test_waiting_work_is_cancelled_at_once_and_running_work_is_asked_to_stop(record: Record) -> None:
    [waiting, running] = await enqueue(record, 2)
    assert (await record.operations.request_cancel(ALL, waiting.id)).state is OperationState.CANCELLED
    claim = await record.operations.claim("w", types=["Work"], lease=LEASE)
    assert claim is not None and claim.operation.id == running.id
    asked = await record.operations.request_cancel(ALL, running.id)
    assert asked.state is OperationState.RUNNING and asked.cancel_requested
    assert await record.operations.heartbeat(claim, LEASE)
    await record.operations.cancelled(claim)
    with pytest.raises(FailedPrecondition) as refused:
        await record.operations.request_cancel(ALL, running.id)
    assert refused.value.reason is Reason.OPERATION_NOT_CANCELLABLE


async def test_waiting_ends_with_the_operation(record: Record) -> None:
    [queued] = await enqueue(record)
    assert (await record.operations.wait(ALL, queued.id, 0.01)).state is OperationState.PENDING
    waiting = asyncio.create_task(record.operations.wait(ALL, queued.id, 30))
    claim = await record.operations.claim("w", types=["Work"], lease=LEASE)
    assert claim is not None
    async with record.write(ALL, ACTOR) as write:
        write.complete(claim, b"done")
    async with asyncio.timeout(5):
        assert (await waiting).result == b"done"


async def test_a_worker_is_woken_by_new_work(record: Record) -> None:
    waiting = asyncio.create_task(record.operations.wait_for_work(30))
    await asyncio.sleep(0)
    await enqueue(record)
    async with asyncio.timeout(5):
        await waiting


async def test_operations_are_listed_newest_first_in_pages(record: Record, clock: TestClock) -> None:
    queued = await enqueue(record, 5)
    seen: list[str] = []
    token = ""
    while True:
        page, token = await record.operations.list(ALL, page_size=2, page_token=token)
        seen += [one.id for one in page]
        if not token:
            break
    assert seen == [one.id for one in reversed(queued)]
    assert (await record.operations.list(ALL, states=[OperationState.RUNNING]))[0] == []
    assert len((await record.operations.list(ALL, types=["Work"]))[0]) == 5
    with pytest.raises(NotFound):
        await record.operations.get(ALL, "unknown")
    await record.operations.request_cancel(ALL, queued[0].id)
    clock.advance(days=8)
    assert await record.retention.drop_old_operations(timedelta(days=7)) == 1
    assert len((await record.operations.list(ALL))[0]) == 4


async def test_an_operation_is_enqueued_once_for_a_request(record: Record) -> None:
    for _ in range(2):
        async with record.write(ALL, ACTOR, request()) as write:
            if write.stored_answer is None:
                write.answer((await write.enqueue("Work", b"")).id.encode())
    assert len((await record.operations.list(ALL))[0]) == 1
