"""Streams end on both sides when they are left, and go on by themselves when they break."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

import mnemon
from mnemon import AsyncClient, Client, HitPage, Page, RetryPolicy, Revision, SearchSummary
from mnemon._async.paging import AsyncPager
from mnemon._sync.paging import Pager
from mnemon.v1 import memory_pb2, memory_service_pb2, search_service_pb2
from support.scripted_server import ScriptedServer, fail, in_turn

SEARCH, LIVE = "SearchService/StreamSearch", "SearchService/LiveSearch"
WATCH, EXPORT = "MemoryService/WatchMemories", "MemoryService/ExportMemories"
IMPORT, LIST = "MemoryService/ImportMemories", "MemoryService/ListMemories"
QUICK = RetryPolicy(first_delay=0.001, largest_delay=0.002)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.address, "", retry=QUICK) as made:
        yield made


@pytest.fixture
async def async_client(server: ScriptedServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.address, "", retry=QUICK) as made:
        yield made


def hit(name: str, rank: int, score: float) -> search_service_pb2.SearchHit:
    return search_service_pb2.SearchHit(memory=memory_pb2.Memory(id=name), rank=rank, score=score)


def page(*hits: search_service_pb2.SearchHit) -> search_service_pb2.StreamSearchResponse:
    return search_service_pb2.StreamSearchResponse(page=search_service_pb2.HitPage(hits=hits))


def searched(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    yield page(hit("a", 1, 0.9), hit("b", 2, 0.8))
    yield page(hit("c", 3, 0.7))
    moves = [
        search_service_pb2.Move(memory_id="c", from_rank=3, to_rank=1, score=0.95),
        search_service_pb2.Move(memory_id="a", from_rank=1, to_rank=2, score=0.9),
        search_service_pb2.Move(memory_id="b", from_rank=2, to_rank=0, score=0.1),
        search_service_pb2.Move(memory_id="d", to_rank=3, score=0.5, hit=hit("d", 3, 0.5)),
    ]
    yield search_service_pb2.StreamSearchResponse(revision=search_service_pb2.Revision(moves=moves))
    summary = search_service_pb2.SearchSummary(matched_count=4)
    yield search_service_pb2.StreamSearchResponse(summary=summary)


def endless(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    yield page(hit("a", 1, 0.9))
    over = threading.Event()
    context.add_callback(over.set)
    over.wait(10)


def versions(first: int, last: int) -> memory_service_pb2.WatchMemoriesResponse:
    return memory_service_pb2.WatchMemoriesResponse(
        versions=[memory_pb2.Version(sequence=n) for n in range(first, last + 1)],
        resume_token=f"after-{last}",
        sequence=last,
    )


def test_a_streamed_search_keeps_the_order_of_its_hits(server: ScriptedServer, client: Client) -> None:
    server.scripts[SEARCH] = searched
    with client.search_stream("q", user_id="ana") as stream:
        kinds = []
        for piece in stream:
            kinds.append(type(piece))
            if isinstance(piece, Revision):
                assert [(h.memory.id, h.rank) for h in stream.hits if h.memory] == [
                    ("c", 1),
                    ("a", 2),
                    ("d", 3),
                ]
    assert kinds == [HitPage, HitPage, Revision, SearchSummary]
    assert stream.summary is not None
    assert stream.summary.matched_count == 4


def test_leaving_a_stream_cancels_its_call(server: ScriptedServer, client: Client) -> None:
    server.scripts[SEARCH] = endless
    with client.search_stream("q", user_id="ana") as stream:
        next(stream)
    assert server.calls[-1].cancelled.wait(5)
    assert list(stream) == []


def test_an_error_inside_the_block_cancels_too(server: ScriptedServer, client: Client) -> None:
    server.scripts[SEARCH] = endless
    with pytest.raises(RuntimeError), client.search_stream("q", user_id="ana") as stream:
        next(stream)
        raise RuntimeError
    assert server.calls[-1].cancelled.wait(5)


async def test_leaving_an_asynchronous_stream_cancels_its_call(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.scripts[SEARCH] = endless
    async with async_client.search_stream("q", user_id="ana") as stream:
        async for _ in stream:
            break
    assert await asyncio.to_thread(server.calls[-1].cancelled.wait, 5)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_closing_from_another_task_ends_the_iteration_without_an_error(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.scripts[SEARCH] = endless
    begun = asyncio.Event()
    stream = async_client.search_stream("q", user_id="ana")

    async def read() -> int:
        count = 0
        async for _ in stream:
            count += 1
            begun.set()
        return count

    task = asyncio.create_task(read())
    await begun.wait()
    await stream.close()
    assert await task == 1


def test_closing_from_another_thread_ends_the_iteration_without_an_error(
    server: ScriptedServer, client: Client
) -> None:
    server.scripts[SEARCH] = endless
    stream = client.search_stream("q", user_id="ana")
    next(stream)
    closer = threading.Thread(target=stream.close)
    closer.start()
    assert list(stream) == []
    closer.join()


def test_a_stream_that_fails_at_once_is_tried_again(server: ScriptedServer, client: Client) -> None:
    server.scripts[SEARCH] = in_turn(lambda request, context: fail(context, "UNAVAILABLE"), searched)
    with client.search_stream("q", user_id="ana") as stream:
        assert len(list(stream)) == 4


def test_a_search_that_breaks_half_way_is_not_begun_again(server: ScriptedServer, client: Client) -> None:
    def broken(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield page(hit("a", 1, 0.9))
        fail(context, "UNAVAILABLE")

    server.scripts[SEARCH] = broken
    with pytest.raises(mnemon.UnavailableError), client.search_stream("q", user_id="ana") as stream:
        list(stream)
    assert len(server.calls) == 1


def test_a_watch_goes_on_after_the_last_change_read(server: ScriptedServer, client: Client) -> None:
    def first(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield versions(1, 2)
        fail(context, "UNAVAILABLE", "SHUTTING_DOWN")

    def second(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        assert request.resume_token == "after-2"
        yield versions(3, 2)  # a heartbeat
        fail(context, "RESOURCE_EXHAUSTED", "WATCHER_TOO_SLOW")

    def third(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        assert request.resume_token == "after-2"
        yield versions(3, 4)

    server.scripts[WATCH] = in_turn(first, second, third)
    with client.watch(user_id="ana", after_sequence=0) as watch:
        assert [version.sequence for version in watch] == [1, 2, 3, 4]
    assert watch.sequence == 4
    assert [request.WhichOneof("start") for request in server.requests(WATCH)] == [
        "after_sequence",
        "resume_token",
        "resume_token",
    ]


def test_a_watch_that_is_entered_misses_nothing_even_if_it_breaks_before_any_change(
    server: ScriptedServer, client: Client
) -> None:
    broken = threading.Event()

    def first(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield versions(1, 0)  # the sign of life that the server sends at once
        broken.wait(5)
        fail(context, "UNAVAILABLE")

    def second(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        assert request.resume_token == "after-0"
        yield versions(1, 1)

    server.scripts[WATCH] = in_turn(first, second)
    with client.watch(user_id="ana") as watch:
        assert watch.resume_token == "after-0"
        broken.set()
        assert [version.sequence for version in watch] == [1]


def test_a_watchs_token_covers_only_what_was_handed_out(server: ScriptedServer, client: Client) -> None:
    server.scripts[WATCH] = lambda request, context: iter([versions(1, 1), versions(2, 3)])
    with client.watch(user_id="ana", resume_token="start") as watch:
        assert watch.resume_token == "start"
        assert next(watch).sequence == 1
        assert watch.resume_token == "after-1"
        assert next(watch).sequence == 2
        assert watch.resume_token == "after-1"
        assert next(watch).sequence == 3
        assert watch.resume_token == "after-3"


def test_a_watch_that_may_not_resume_says_why(server: ScriptedServer, client: Client) -> None:
    server.scripts[WATCH] = lambda request, context: fail(context, "INVALID_ARGUMENT", "RESUME_TOKEN_INVALID")
    with pytest.raises(mnemon.InvalidArgumentError), client.watch(user_id="ana", resume_token="x") as watch:
        next(watch)
    assert len(server.calls) == 1


def test_a_watch_is_given_up_when_patience_ends(server: ScriptedServer, client: Client) -> None:
    server.scripts[WATCH] = lambda request, context: fail(context, "UNAVAILABLE")
    with pytest.raises(mnemon.UnavailableError), client.watch(user_id="ana", patience=0) as watch:
        next(watch)


async def test_an_asynchronous_watch_resumes_and_cancels(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    def broken(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield versions(1, 1)
        fail(context, "UNAVAILABLE")

    def going_on(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        assert request.resume_token == "after-1"
        yield versions(2, 2)
        yield from endless(request, context)

    server.scripts[WATCH] = in_turn(broken, going_on)
    seen = []
    async with async_client.watch(user_id="ana") as watch:
        async for version in watch:
            seen.append(version.sequence)
            if len(seen) == 2:
                break
    assert seen == [1, 2]
    assert await asyncio.to_thread(server.calls[-1].cancelled.wait, 5)


def exported(*names: str, count: int) -> memory_service_pb2.ExportMemoriesResponse:
    return memory_service_pb2.ExportMemoriesResponse(
        memories=[memory_pb2.Memory(id=name) for name in names],
        versions=[memory_pb2.Version(memory_id=name) for name in names],
        sequence=9,
        resume_token=f"after-{names[-1]}",
        exported_count=count,
    )


def test_an_export_goes_on_after_a_break(server: ScriptedServer, client: Client) -> None:
    def broken(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield exported("a", "b", count=2)
        fail(context, "UNAVAILABLE")

    def rest(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        assert request.resume_token == "after-b"
        yield exported("c", count=3)

    server.scripts[EXPORT] = in_turn(broken, rest)
    with client.export_memories(user_id="ana", include_versions=True) as export:
        assert [memory.id for memory in export] == ["a", "b", "c"]
    assert (export.sequence, export.exported_count, export.resume_token) == (9, 3, "after-c")
    assert [version.memory_id for version in export.versions] == ["a", "b", "c"]


def import_result(count: int) -> memory_service_pb2.ImportMemoriesResponse:
    answer = memory_service_pb2.ImportMemoriesResponse()
    answer.result.imported_count = count
    return answer


def counting(request: Iterator[Any], context: grpc.ServicerContext) -> Any:
    return import_result(sum(len(piece.rows.rows) for piece in request))


ROWS = [{"text": f"row {n}", "row": n} for n in range(1, 1201)]


def test_rows_are_sent_in_batches_and_progress_is_told(server: ScriptedServer, client: Client) -> None:
    server.scripts[IMPORT] = counting
    told: list[int] = []
    answer = client.import_memories(iter(ROWS), user_id="ana", request_id="i1", on_progress=told.append)
    assert answer.result.imported_count == 1200
    assert told == [500, 1000, 1200]


def test_batches_stay_small_in_bytes(server: ScriptedServer, client: Client) -> None:
    sizes: list[int] = []

    def weighing(request: Iterator[Any], context: grpc.ServicerContext) -> Any:
        sizes.extend(piece.ByteSize() for piece in request)
        return import_result(0)

    server.scripts[IMPORT] = weighing
    client.import_memories([{"text": "x" * 32_000}] * 100, user_id="ana")
    assert max(sizes) < 1.2 * 1024 * 1024
    assert sum(sizes) > 100 * 32_000


def test_an_import_of_a_list_is_sent_again_under_its_name(server: ScriptedServer, client: Client) -> None:
    names = []

    def broken(request: Iterator[Any], context: grpc.ServicerContext) -> Any:
        names.append(next(request).options.request_id)
        fail(context, "UNAVAILABLE")

    def whole(request: Iterator[Any], context: grpc.ServicerContext) -> Any:
        names.append(next(request).options.request_id)
        return counting(request, context)

    server.scripts[IMPORT] = in_turn(broken, whole)
    assert client.import_memories(ROWS, user_id="ana").result.imported_count == 1200
    assert names[0] == names[1] != ""


def test_an_import_that_can_be_read_once_only_is_not_sent_again(
    server: ScriptedServer, client: Client
) -> None:
    server.scripts[IMPORT] = lambda request, context: fail(context, "UNAVAILABLE")
    with pytest.raises(mnemon.UnavailableError):
        client.import_memories(iter(ROWS), user_id="ana")
    assert len(server.calls) == 1


def faulty() -> Iterator[dict[str, Any]]:
    yield {"text": "fine"}
    raise OSError("disk gone")


def test_an_error_in_the_rows_reaches_the_caller(server: ScriptedServer, client: Client) -> None:
    server.scripts[IMPORT] = counting
    with pytest.raises(OSError, match="disk gone"):
        client.import_memories(faulty(), user_id="ana")


async def test_an_asynchronous_import_takes_rows_of_both_kinds(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.scripts[IMPORT] = counting

    async def rows() -> AsyncIterator[dict[str, Any]]:
        for row in ROWS:
            yield row

    assert (await async_client.import_memories(ROWS, user_id="ana")).result.imported_count == 1200
    assert (await async_client.import_memories(rows(), user_id="ana")).result.imported_count == 1200
    with pytest.raises(OSError, match="disk gone"):
        await async_client.import_memories(faulty(), user_id="ana")
    server.scripts[IMPORT] = lambda request, context: fail(context, "INVALID_ARGUMENT", "INVALID_FIELD")
    with pytest.raises(mnemon.InvalidArgumentError):
        await async_client.import_memories(ROWS, user_id="ana")


def echoing(request: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
    assert next(request).search.scope.user_id == "ana"
    for number, piece in enumerate(request, start=1):
        answer = search_service_pb2.LiveSearchResponse(
            revision=number, text=piece.utterance.text, final=piece.utterance.final
        )
        answer.added.append(hit(f"m{number}", 1, 0.5))
        if number > 1:
            answer.removed_memory_ids.append(f"m{number - 1}")
        yield answer


def test_a_live_search_answers_what_changed(server: ScriptedServer, client: Client) -> None:
    server.scripts[LIVE] = echoing
    with client.live_search(user_id="ana") as live:
        live.send("where does")
        first = live.receive()
        assert first is not None
        assert (first.text, first.final) == ("where does", False)
        live.send("where does she live?", final=True)
        live.finish()
        assert [change.final for change in live] == [True]
        assert [h.memory.id for h in live.hits if h.memory] == ["m2"]
    assert server.calls[-1].cancelled.wait(5)


async def test_an_asynchronous_live_search_is_cancelled_on_leave(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.scripts[LIVE] = echoing
    async with async_client.live_search(user_id="ana") as live:
        await live.send("where")
        answer = await live.receive()
        assert answer is not None
        assert answer.revision == 1
    assert await asyncio.to_thread(server.calls[-1].cancelled.wait, 5)


def test_sending_into_a_live_search_that_failed_says_why(server: ScriptedServer, client: Client) -> None:
    server.scripts[LIVE] = lambda request, context: fail(context, "INVALID_ARGUMENT", "SCOPE_REQUIRED")
    live = client.live_search(user_id="ana")
    with pytest.raises(mnemon.InvalidArgumentError):
        live.receive()
    with pytest.raises(mnemon.MnemonError):
        live.send("x")


async def test_sending_into_an_asynchronous_live_search_that_failed_says_why(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.scripts[LIVE] = lambda request, context: fail(context, "INVALID_ARGUMENT", "SCOPE_REQUIRED")
    live = async_client.live_search(user_id="ana")
    with pytest.raises(mnemon.InvalidArgumentError):
        await live.receive()
    with pytest.raises(mnemon.MnemonError):
        await live.send("x")


def listed(request: Any, context: grpc.ServicerContext) -> memory_service_pb2.ListMemoriesResponse:
    number = int(request.page_token or 0)
    return memory_service_pb2.ListMemoriesResponse(
        memories=[memory_pb2.Memory(id=f"{number}.{n}") for n in range(2)],
        next_page_token=str(number + 1) if number < 2 else "",
        sequence=5,
    )


def test_lists_are_read_page_by_page_as_they_are_needed(server: ScriptedServer, client: Client) -> None:
    server.scripts[LIST] = listed
    pager = client.list(user_id="ana", page_size=2)
    assert isinstance(pager, Pager)
    assert server.calls == []
    assert next(iter(pager)).id == "0.0"
    assert len(server.calls) == 1
    assert [memory.id for memory in pager] == ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]
    assert [len(page) for page in pager.pages()] == [2, 2, 2]
    assert [memory.id for memory in pager.page("2")] == ["2.0", "2.1"]
    assert isinstance(pager.page(), Page)
    assert pager.page().sequence == 5
    server.calls.clear()
    assert [memory.id for memory in pager.collect(3)] == ["0.0", "0.1", "1.0"]
    assert len(server.calls) == 2
    assert pager.collect(0) == ()
    assert len(client.get_all(user_id="ana")) == 6


async def test_asynchronous_lists_are_read_alike(server: ScriptedServer, async_client: AsyncClient) -> None:
    server.scripts[LIST] = listed
    pager = async_client.list(user_id="ana")
    assert isinstance(pager, AsyncPager)
    assert [memory.id async for memory in pager] == ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]
    assert len(await async_client.get_all(user_id="ana", limit=3)) == 3
