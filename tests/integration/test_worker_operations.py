"""The queue's workers: they try again, give up, stop and go on elsewhere, and do nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1 import operation_pb2
from mnemon_service.model.errors import (
    Aborted,
    InvalidArgument,
    MnemonError,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from mnemon_service.model.memory import Actor
from mnemon_service.record import worker
from mnemon_service.record.operation import Claim, Operation, OperationState
from mnemon_service.record.worker import LEASE, MAXIMUM_ATTEMPTS, MAXIMUM_CLAIMS, OperationWorkers, Progress
from mnemon_service.wire.operations import ADD_MEMORIES
from support.memory_world import ANA, MemoryWorld, memory_world
from support.records import ALL, TestClock
from support.scripted_model import ScriptedModel

WORK = "Work"
PENDING, RUNNING, SUCCEEDED = OperationState.PENDING, OperationState.RUNNING, OperationState.SUCCEEDED
FAILED, CANCELLED = OperationState.FAILED, OperationState.CANCELLED


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
async def world(tmp_path: Path, clock: TestClock) -> AsyncIterator[MemoryWorld]:
    async with memory_world(tmp_path, clock=clock) as made:
        yield made


class Handler:
    """Does what a test says, one thing for each attempt; the last one for all that follow."""

    def __init__(self, *does: Callable[[Claim, Progress], Awaitable[bytes | None]]) -> None:
        self._does = list(does)
        self.claims: list[Claim] = []

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        self.claims.append(claim)
        does = self._does.pop(0) if len(self._does) > 1 else self._does[0]
        return await does(claim, progress)


def fails(error: Exception) -> Callable[[Claim, Progress], Awaitable[bytes | None]]:
    async def run(claim: Claim, progress: Progress) -> bytes | None:
        raise error

    return run


async def succeeds(claim: Claim, progress: Progress) -> bytes | None:
    return b"done"


class Holding:
    """Goes on until it is stopped."""

    def __init__(self) -> None:
        self.begun, self.stopped = asyncio.Event(), asyncio.Event()

    async def __call__(self, claim: Claim, progress: Progress) -> bytes | None:
        progress.done, progress.total = 3, 9
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        return None


@asynccontextmanager
async def working(world: MemoryWorld, handler: Handler, **options: Any) -> AsyncIterator[OperationWorkers]:
    options.setdefault("heartbeat_seconds", 0.02)
    workers = OperationWorkers(world.record.operations, {WORK: handler}, concurrency=1, **options)
    workers.start()
    try:
        yield workers
    finally:
        await workers.stop()


async def enqueue(world: MemoryWorld) -> str:
    async with world.record.write(ALL, Actor("key-1")) as write:
        return (await write.enqueue(WORK, b"payload", total=9)).id


async def reached(world: MemoryWorld, operation_id: str, holds: Callable[[Operation], bool]) -> Operation:
    """The operation as soon as this holds of it."""
    async with asyncio.timeout(10):
        while True:
            waiter = world.record.signal.operations_waiter()
            operation = await world.record.operations.get(ALL, operation_id)
            if holds(operation):
                return operation
            await waiter(0.05)  # heartbeats tell of progress and wake nobody


async def ended(world: MemoryWorld, operation_id: str) -> Operation:
    return await reached(world, operation_id, lambda operation: operation.state.is_final)


def wake(world: MemoryWorld) -> None:
    """Lets the workers look at once for what is due now."""
    world.record.signal.announce_operations()


async def test_a_result_ends_an_operation_well(world: MemoryWorld) -> None:
    operation_id = await enqueue(world)
    async with working(world, Handler(succeeds)):
        operation = await ended(world, operation_id)
    assert (operation.state, operation.result, operation.attempts) == (SUCCEEDED, b"done", 1)
    assert (operation.payload, operation.end_time is not None) == (b"", True)


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("the provider is away", retry_after=30),
        ResourceExhausted("too fast", retry_after=30),
        Aborted("met another", reason=Reason.CONCURRENT_CHANGE, retry_after=30),
    ],
)
async def test_what_can_be_waited_out_is_tried_again_when_it_said(
    world: MemoryWorld, clock: TestClock, error: MnemonError
) -> None:
    operation_id = await enqueue(world)
    handler = Handler(fails(error), succeeds)
    async with working(world, handler):
        waiting = await reached(world, operation_id, lambda one: bool(one.error_reason))
        assert (waiting.state, waiting.error_reason, waiting.error_message) == (
            PENDING,
            error.reason,
            error.message,
        )
        assert waiting.available_time is not None
        assert timedelta(seconds=29) < waiting.available_time - clock.now <= timedelta(seconds=30)
        assert len(handler.claims) == 1, "not before its time"
        clock.advance(seconds=31)
        wake(world)
        operation = await ended(world, operation_id)
    assert (operation.state, operation.attempts) == (SUCCEEDED, 2)


def test_pauses_double_to_two_minutes_and_are_random() -> None:
    class Tried:
        def __init__(self, attempts: int) -> None:
            self.attempts = attempts

    for attempts, longest in ((1, 2), (2, 4), (3, 8), (6, 64), (7, 120), (40, 120)):
        pauses = {worker._pause(Tried(attempts)) for _ in range(50)}  # type: ignore[arg-type]
        assert len(pauses) > 10
        assert longest / 4 < max(pauses) <= longest


def tried(attempts: int) -> Callable[[Operation], bool]:
    """So often, and waiting for the next time."""
    return lambda operation: operation.attempts == attempts and operation.state is PENDING


async def test_it_is_given_up_after_the_last_try_with_a_readable_error(
    world: MemoryWorld, clock: TestClock
) -> None:
    operation_id = await enqueue(world)
    handler = Handler(fails(Unavailable("openai does not answer", retry_after=1)))
    async with working(world, handler):
        for attempt in range(1, MAXIMUM_ATTEMPTS):
            await reached(world, operation_id, tried(attempt))
            clock.advance(seconds=2)
            wake(world)
        operation = await ended(world, operation_id)
    assert (operation.state, operation.attempts) == (FAILED, MAXIMUM_ATTEMPTS)
    assert (operation.error_reason, operation.error_message) == (
        "PROVIDER_UNAVAILABLE",
        "openai does not answer",
    )


async def test_what_waiting_cannot_help_fails_at_once(world: MemoryWorld) -> None:
    operation_id = await enqueue(world)
    async with working(world, Handler(fails(InvalidArgument.of("add.scope", "is wrong")))):
        operation = await ended(world, operation_id)
    assert (operation.state, operation.attempts) == (FAILED, 1)
    assert (operation.error_reason, operation.error_message) == ("INVALID_FIELD", "add.scope: is wrong")


async def test_an_unforeseen_exception_is_tried_again_and_says_nothing_of_itself(
    world: MemoryWorld, clock: TestClock
) -> None:
    operation_id = await enqueue(world)
    handler = Handler(fails(ValueError("Ana's diary says 4711")), succeeds)
    async with working(world, handler):
        waiting = await reached(world, operation_id, lambda one: bool(one.error_reason))
        assert (waiting.error_reason, "4711" in waiting.error_message) == ("INTERNAL", False)
        clock.advance(seconds=3)
        wake(world)
        assert (await ended(world, operation_id)).state is SUCCEEDED


async def test_progress_is_told_while_it_works(world: MemoryWorld) -> None:
    operation_id = await enqueue(world)
    holding = Holding()
    async with working(world, Handler(holding)):
        await holding.begun.wait()
        operation = await reached(world, operation_id, lambda one: one.progress_done == 3)
    assert operation.progress_total == 9


async def test_an_operation_that_is_cancelled_stops(world: MemoryWorld) -> None:
    operation_id = await enqueue(world)
    holding = Holding()
    async with working(world, Handler(holding)):
        await holding.begun.wait()
        await world.record.operations.request_cancel(ALL, operation_id)
        operation = await ended(world, operation_id)
        await asyncio.wait_for(holding.stopped.wait(), 5)
    assert (operation.state, operation.attempts) == (CANCELLED, 1)


async def test_a_worker_that_lost_its_lease_stops_and_leaves_it_to_the_other(
    world: MemoryWorld, clock: TestClock
) -> None:
    operation_id = await enqueue(world)
    holding = Holding()
    async with working(world, Handler(holding)):
        await holding.begun.wait()
        other = None
        while other is None:  # a heartbeat may hold the lease anew just before
            clock.advance(seconds=LEASE.total_seconds() + 1)
            other = await world.record.operations.claim("other", types=[WORK], lease=LEASE)
        await asyncio.wait_for(holding.stopped.wait(), 5)
        operation = await world.record.operations.get(ALL, operation_id)
        assert (operation.state, operation.attempts) == (RUNNING, 2)
        await world.record.operations.succeed(other, b"by the other")
    assert (await world.record.operations.get(ALL, operation_id)).result == b"by the other"


async def test_a_server_that_stops_gives_back_what_it_has_begun(world: MemoryWorld) -> None:
    operation_id = await enqueue(world)
    holding = Holding()
    async with working(world, Handler(holding)):
        await holding.begun.wait()
    assert holding.stopped.is_set()
    operation = await world.record.operations.get(ALL, operation_id)
    assert (operation.state, operation.error_reason) == (PENDING, "")
    async with working(world, Handler(succeeds)):
        assert (await ended(world, operation_id)).attempts == 2


async def test_a_handler_that_will_not_stop_does_not_keep_the_server(world: MemoryWorld) -> None:
    operation_id = await enqueue(world)
    begun = asyncio.Event()

    async def stubborn(claim: Claim, progress: Progress) -> bytes | None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return b"done after all"
        return None

    async with asyncio.timeout(10):
        async with working(world, Handler(stubborn)):
            await begun.wait()
    operation = await world.record.operations.get(ALL, operation_id)
    assert (operation.state, operation.result) == (SUCCEEDED, b"done after all")


async def test_an_operation_that_ends_its_workers_is_given_up(world: MemoryWorld, clock: TestClock) -> None:
    operation_id = await enqueue(world)
    for _ in range(MAXIMUM_CLAIMS):  # each dies with its worker: nobody hears of it again
        assert await world.record.operations.claim("dying", types=[WORK], lease=LEASE)
        clock.advance(seconds=LEASE.total_seconds() + 1)
    handler = Handler(succeeds)
    async with working(world, handler):
        operation = await ended(world, operation_id)
    assert (operation.state, operation.error_reason, handler.claims) == (FAILED, "INTERNAL", [])
    assert "24 workers" in operation.error_message


async def test_a_fault_of_the_queue_does_not_leave_it_without_workers(
    world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = world.record.operations.claim
    faults = [ValueError("unforeseen"), Unavailable("away", retry_after=0.01)]

    async def broken(*args: Any, **fields: Any) -> Claim | None:
        if faults:
            raise faults.pop()
        return await claim(*args, **fields)

    monkeypatch.setattr(world.record.operations, "claim", broken)
    operation_id = await enqueue(world)
    async with working(world, Handler(succeeds)):
        assert (await ended(world, operation_id)).state is SUCCEEDED
    assert faults == []


# Adds in the queue


async def enqueued(world: MemoryWorld, **fields: Any) -> operation_pb2.Operation:
    request = pb.EnqueueMemoriesRequest(add=pb.AddMemoriesRequest(scope=ANA, **fields))
    return (await world.servicer.EnqueueMemories(request, world.call("EnqueueMemories"))).operation


async def worked(world: MemoryWorld, operation_id: str) -> Operation:
    workers = OperationWorkers(world.record.operations, world.handlers)
    workers.start()
    operation = await ended(world, operation_id)
    await workers.stop()
    return operation


async def test_an_add_in_the_queue_is_done_once_and_tells_what_it_did(world: MemoryWorld) -> None:
    first = await enqueued(world, messages=[{"content": "I live in Berlin.", "name": "Ana"}], request_id="r1")
    second = await enqueued(
        world, messages=[{"content": "I live in Berlin.", "name": "Ana"}], request_id="r1"
    )
    assert first == second
    assert (first.progress.total, first.scope.user_id) == (1, "ana")
    assert await world.texts() == []
    operation = await worked(world, first.id)
    result = operation_pb2.AddMemoriesResult.FromString(operation.result)
    assert [change.memory.text for change in result.changes] == ["Ana lives in Berlin."]
    assert (len(result.message_ids), operation.progress_done) == (1, 1)
    assert await world.texts() == ["Ana lives in Berlin."]
    versions, _ = await world.record.log.versions_of(ALL, result.changes[0].memory.id)
    assert versions[0].actor == Actor("key-1", f"operations/{first.id}")


async def test_an_add_whose_claim_was_lost_stores_nothing(world: MemoryWorld, clock: TestClock) -> None:
    await enqueued(world, texts=["Ana likes tea"], infer=False)
    lost = await world.record.operations.claim("dying", types=[ADD_MEMORIES], lease=LEASE)
    clock.advance(seconds=LEASE.total_seconds() + 1)
    held = await world.record.operations.claim("other", types=[ADD_MEMORIES], lease=LEASE)
    assert lost is not None
    assert held is not None
    add = world.handlers[ADD_MEMORIES]
    with pytest.raises(Aborted):
        await add.run(lost, Progress())
    assert await world.texts() == []
    await add.run(held, Progress())
    with pytest.raises(Aborted):
        await add.run(held, Progress())
    assert await world.texts() == ["Ana likes tea"]


async def test_an_add_that_waited_is_done_as_at_the_moment_of_its_call(
    world: MemoryWorld, clock: TestClock
) -> None:
    asked = clock.now
    operation = await enqueued(world, texts=["Ana moved to Rome yesterday."], ttl={"seconds": 60})
    clock.advance(days=3)
    done = await worked(world, operation.id)
    assert done.state is SUCCEEDED
    result = operation_pb2.AddMemoriesResult.FromString(done.result)
    (memory,) = [change.memory for change in result.changes]
    assert memory.event_time.time.ToDatetime().date() == (asked - timedelta(days=1)).date()
    assert memory.expire_time.ToDatetime() - asked.replace(tzinfo=None) < timedelta(seconds=61)
    assert await world.texts() == [], "its time to live was over before it was done"


async def test_what_is_wrong_with_an_add_is_said_before_it_waits(world: MemoryWorld) -> None:
    for fields, path in (({"dry_run": True, "texts": ["a"]}, "add.dry_run"), ({}, "messages")):
        with pytest.raises(InvalidArgument) as refused:
            await enqueued(world, **fields)
        assert refused.value.violations[0].field == path


async def test_an_add_whose_provider_is_away_waits_and_then_succeeds(
    world: MemoryWorld, clock: TestClock
) -> None:
    away = Unavailable("scripted/one does not answer", retry_after=2)
    world.models.model = ScriptedModel(away, {"images": [], "facts": []})
    operation = await enqueued(world, messages=[{"content": "I live in Berlin.", "name": "Ana"}])
    workers = OperationWorkers(world.record.operations, world.handlers)
    workers.start()
    waiting = await reached(world, operation.id, lambda one: bool(one.error_reason))
    assert waiting.error_message == "scripted/one does not answer"
    clock.advance(seconds=3)
    wake(world)
    assert (await ended(world, operation.id)).state is SUCCEEDED
    await workers.stop()
