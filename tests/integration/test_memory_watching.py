"""WatchMemories through a real server: each change once, in order, at once, also for who comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from mnemon.v1 import memory_pb2, scope_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory import watch_rpcs
from mnemon_service.model.errors import ResourceExhausted
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from support.boundary_server import BoundaryServer, boundary_server, details
from support.memory_world import ANA, MemoryWorld, memory_world
from support.records import erase
from support.wire_filters import comparison

BO = scope_pb2.Scope(user_id="bo")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryWorld]:
    async with memory_world(tmp_path, watch_slow_seconds=0.3) as made:
        yield made


@pytest.fixture
async def server(world: MemoryWorld) -> AsyncIterator[BoundaryServer]:
    async with boundary_server(world.servicer) as running:
        yield running


class Watching:
    """A stream, and what came of it so far."""

    def __init__(self, server: BoundaryServer, **fields: Any) -> None:
        fields.setdefault("scope", ANA)
        self.call = server.stub.WatchMemories(pb.WatchMemoriesRequest(**fields))
        self.token = ""

    async def message(self) -> pb.WatchMemoriesResponse:
        """The next message."""
        message: Any = await asyncio.wait_for(self.call.read(), 10)
        assert isinstance(message, pb.WatchMemoriesResponse), await self.call.code()
        self.token = message.resume_token
        return message

    async def texts(self) -> list[str]:
        """The texts in the next message."""
        return [version.memory.text for version in (await self.message()).versions]

    async def refusal(self) -> grpc.aio.AioRpcError:
        """Why the stream was refused."""
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.call.read()
        return raised.value


async def watching(server: BoundaryServer, **fields: Any) -> Watching:
    """A stream that has said where it begins."""
    made = Watching(server, **fields)
    assert list((await made.message()).versions) == []
    return made


async def test_a_watcher_hears_of_every_change_from_now_on(
    world: MemoryWorld, server: BoundaryServer
) -> None:
    await world.store("before")
    watcher = await watching(server)
    (tea,) = await world.store("tea")
    message = await watcher.message()
    assert [(one.sequence, one.memory_id, one.event) for one in message.versions] == [
        (2, tea, memory_pb2.VERSION_EVENT_ADDED)
    ]
    assert message.sequence == 2
    await erase(world.record, tea)
    (erased,) = (await watcher.message()).versions
    assert (erased.event, erased.memory_id, erased.memory.text) == (
        memory_pb2.VERSION_EVENT_ERASED,
        tea,
        "",
    )


async def test_who_comes_back_misses_nothing_and_sees_nothing_twice(
    world: MemoryWorld, server: BoundaryServer
) -> None:
    watcher = await watching(server)
    seen: list[str] = []
    for number in range(6):
        await world.store(f"memory {number}", f"memory {number}, too")
        if number % 2:
            seen += await watcher.texts()
            if len(seen) < 2 * (number + 1):
                seen += await watcher.texts()
        else:
            watcher.call.cancel()
            watcher = Watching(server, resume_token=watcher.token)
            await watcher.message()
            seen += await watcher.texts()
    assert seen == [text for number in range(6) for text in (f"memory {number}", f"memory {number}, too")]


async def test_a_watcher_begins_where_it_says(world: MemoryWorld, server: BoundaryServer) -> None:
    await world.store("one", "two", "three")
    assert await (await watching(server, after_sequence=0)).texts() == ["one", "two", "three"]
    assert await (await watching(server, after_sequence=2)).texts() == ["three"]
    failed = await Watching(server, after_sequence=4).refusal()
    assert (failed.code(), details(failed).reason) == (grpc.StatusCode.OUT_OF_RANGE, "HISTORY_ERASED")


async def test_a_token_is_good_for_its_own_stream_only(world: MemoryWorld, server: BoundaryServer) -> None:
    token = (await watching(server)).token
    for fields in ({"resume_token": token, "scope": BO}, {"resume_token": token[:-2]}, {"resume_token": "x"}):
        failed = await Watching(server, **fields).refusal()
        assert (failed.code(), details(failed).reason, details(failed).fields) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "RESUME_TOKEN_INVALID",
            ("resume_token",),
        )


async def test_only_the_scope_the_events_and_the_filter_pass(
    world: MemoryWorld, server: BoundaryServer
) -> None:
    food = comparison("categories", "CONTAINS", "food")
    by_filter = await watching(server, filter=food)
    by_event = await watching(server, events=[memory_pb2.VERSION_EVENT_DELETED])
    wide = await watching(server, scope=None, project_wide=True)
    await world.store("Bo likes tea", scope=BO, categories=["food"])
    await world.store("Ana likes tea", categories=["food"])
    (bonn,) = await world.store("Ana lives in Bonn")
    await world.servicer.DeleteMemory(pb.DeleteMemoryRequest(id=bonn), world.call("DeleteMemory"))
    assert await by_filter.texts() == ["Ana likes tea"]
    assert await by_event.texts() == ["Ana lives in Bonn"]
    heard: list[str] = []
    while len(heard) < 4:
        heard += await wide.texts()
    assert heard == ["Bo likes tea", "Ana likes tea", "Ana lives in Bonn", "Ana lives in Bonn"]


async def test_a_sign_of_life_comes_when_nothing_happens_and_moves_past_what_is_left_out(
    world: MemoryWorld, server: BoundaryServer
) -> None:
    watcher = await watching(server, heartbeat_interval={"seconds": 1})
    await world.store("Bo likes tea", scope=BO)
    sign = await watcher.message()
    assert (list(sign.versions), sign.sequence) == ([], 1)
    resumed = await watching(server, resume_token=sign.resume_token)
    await world.store("Ana likes tea")
    assert await resumed.texts() == ["Ana likes tea"]


async def test_a_sign_of_life_comes_also_while_others_write_all_the_time(
    world: MemoryWorld, server: BoundaryServer
) -> None:
    watcher = await watching(server, heartbeat_interval={"seconds": 1})

    async def others() -> None:
        number = 0
        while True:
            number += 1
            await world.store(f"Bo likes number {number}", scope=BO)
            await asyncio.sleep(0.02)

    writing = asyncio.create_task(others())
    try:
        sign = await watcher.message()
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    assert list(sign.versions) == []
    assert sign.sequence > 1


async def test_a_watcher_is_woken_and_does_not_poll(
    world: MemoryWorld, server: BoundaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = world.record.log.after

    async def counted(*args: Any, **fields: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read(*args, **fields)

    monkeypatch.setattr(world.record.log, "after", counted)
    watcher = await watching(server)
    lags: list[float] = []
    for number in range(20):
        stored = asyncio.ensure_future(world.store(f"memory {number}"))
        done: list[float] = []
        stored.add_done_callback(lambda _: done.append(time.perf_counter()))  # noqa: B023 (awaited below)
        await watcher.message()
        heard = time.perf_counter()
        await stored
        await asyncio.sleep(0)
        lags.append(heard - done[0])
    assert reads <= 41, "once for each change and at most once more to find the end"
    assert max(lags) < 0.1, "it hears of a change before its writer has its answer, or right after"


async def test_large_changes_come_in_several_messages_each_with_its_own_place(
    world: MemoryWorld, server: BoundaryServer
) -> None:
    texts = [f"{number} " + "x" * 32_000 for number in range(100)]
    await world.store(*texts[:50], metadata={"a": "y" * 20_000})
    await world.store(*texts[50:], metadata={"a": "y" * 20_000})
    seen: list[str] = []
    token = ""
    while len(seen) < 100:  # cut after each message: nothing is missed, nothing comes twice
        start: dict[str, Any] = {"resume_token": token} if token else {"after_sequence": 0}
        watcher = await watching(server, **start)
        message = await watcher.message()
        assert message.ByteSize() < watch_rpcs.MESSAGE_BYTES + 200_000
        assert message.sequence == message.versions[-1].sequence
        seen += [version.memory.text for version in message.versions]
        token = message.resume_token
        watcher.call.cancel()
    assert seen == texts


async def test_a_reader_that_takes_nothing_is_cut_and_resumes(
    world: MemoryWorld, server: BoundaryServer
) -> None:
    texts = [f"{number} " + "x" * 32_000 for number in range(160)]
    for start in range(0, 160, 40):
        await world.store(*texts[start : start + 40], metadata={"a": "y" * 60_000})
    call = server.stub.WatchMemories(pb.WatchMemoriesRequest(scope=ANA, after_sequence=0))
    await asyncio.wait_for(server.ended.one.wait(), 20)
    assert (server.ended.calls[0].code, server.ended.calls[0].reason) == (
        "RESOURCE_EXHAUSTED",
        "WATCHER_TOO_SLOW",
    )
    seen: list[str] = []
    token = ""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        while True:
            message = await asyncio.wait_for(call.read(), 10)
            seen += [version.memory.text for version in message.versions]
            token = message.resume_token
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(raised.value).reason == "WATCHER_TOO_SLOW"
    watcher = Watching(server, resume_token=token)
    while len(seen) < 160:
        seen += await watcher.texts()
    assert seen == texts


async def test_a_send_that_is_not_taken_in_time_ends_the_stream(record: Record) -> None:
    stuck = asyncio.Event()

    async def send(_: Any) -> None:
        await stuck.wait()

    rpcs = watch_rpcs.WatchRpcs(record, slow_seconds=0.01)
    with pytest.raises(ResourceExhausted, match="resume"):
        await rpcs._send(send, pb.WatchMemoriesResponse())


@pytest.fixture
def record(world: MemoryWorld) -> Record:
    return world.record


async def test_a_bound_key_watches_its_own_scope(world: MemoryWorld) -> None:
    heard: list[pb.WatchMemoriesResponse] = []
    second = asyncio.Event()

    async def send(message: pb.WatchMemoriesResponse) -> None:
        heard.append(message)
        if message.versions:
            second.set()

    call = world.call("WatchMemories", bound=Scope(user_id="ana"))
    request = pb.WatchMemoriesRequest(project_wide=True, after_sequence=0)
    await world.store("Bo likes tea", scope=BO)
    await world.store("Ana likes tea")
    stream = asyncio.create_task(world.servicer.WatchMemories(request, call, send))
    await asyncio.wait_for(second.wait(), 5)
    stream.cancel()
    assert [version.memory.text for message in heard for version in message.versions] == ["Ana likes tea"]
