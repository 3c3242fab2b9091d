"""A slow reranker, through a real server: it costs a stream's first page nothing, and who leaves stops it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from statistics import median
from typing import Any

import grpc
import pytest

from mnemon.v1 import memory_service_pb2, scope_pb2
from mnemon.v1 import search_service_pb2 as pb
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub
from support.provider_servers.reranking_cohere import cohere_server
from support.provider_servers.server import Fault, ProviderServer
from support.server import MnemonServer, running_server

RERANK_SECONDS = 0.5
PAIRS = 20
WARM_UP = 4
ANA = scope_pb2.Scope(user_id="ana")
THINGS = ("dog", "train", "garden", "guitar", "kitchen", "doctor", "bicycle", "teacher", "winter", "recipe")


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    with cohere_server(RERANK_SECONDS) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: ProviderServer) -> Iterator[MnemonServer]:
    with running_server(
        tmp_path_factory.mktemp("server"),
        MNEMON_RERANKER="cohere/a-model",
        MNEMON_COHERE_URL=f"{provider.url}/v2/rerank",
        MNEMON_COHERE_API_KEY="unused",
    ) as running:
        yield running


async def remember(channel: grpc.aio.Channel, server: MnemonServer, scope: scope_pb2.Scope) -> None:
    """A hundred memories of the scope."""
    request = memory_service_pb2.AddMemoriesRequest(
        scope=scope,
        texts=[f"I saw a {first} near the {second}" for first in THINGS for second in THINGS],
        infer=False,
    )
    await MemoryServiceStub(channel).AddMemories(request, metadata=server.metadata)


@pytest.mark.alone
async def test_the_first_page_does_not_wait_for_a_slow_reranker(server: MnemonServer) -> None:
    """At most 1.2 times a search without a reranker, while the whole stream takes the reranker's time."""
    unary, first_page, whole = [], [], []
    async with grpc.aio.insecure_channel(server.address) as channel:
        search = SearchServiceStub(channel)
        await remember(channel, server, ANA)
        for number in range(WARM_UP + PAIRS):
            # Questions are new, so that each is embedded; both kinds take turns, so that a busy machine
            # slows them alike.
            plain = pb.SearchRequest(query=f"Which {THINGS[number % 10]} was it, {number}?", scope=ANA)
            begun = time.perf_counter()
            await search.Search(plain, metadata=server.metadata)
            unary.append(time.perf_counter() - begun)

            asked = pb.SearchRequest(
                query=f"Which {THINGS[number % 10]} was that, {number}?", scope=ANA, rerank=True
            )
            begun = time.perf_counter()
            stream = search.StreamSearch(pb.StreamSearchRequest(search=asked), metadata=server.metadata)
            answer = await anext(aiter(stream))
            first_page.append(time.perf_counter() - begun)
            kinds = [answer.WhichOneof("content")]
            async for answer in stream:
                kinds.append(answer.WhichOneof("content"))
            whole.append(time.perf_counter() - begun)
            assert kinds == ["page", "revision", "summary"]
            assert not answer.summary.notices
    assert min(whole) > RERANK_SECONDS
    assert median(first_page[WARM_UP:]) <= 1.2 * median(unary[WARM_UP:])


@pytest.mark.parametrize("rpc", ["Search", "StreamSearch", "BuildContext", "LiveSearch"])
async def test_a_client_that_leaves_stops_the_reranker(
    server: MnemonServer, provider: ProviderServer, rpc: str
) -> None:
    """Its request is under way when the client hangs up; then the reranker's connection is closed too."""
    scope = scope_pb2.Scope(user_id=f"leaves-{rpc}")
    async with grpc.aio.insecure_channel(server.address) as channel:
        await remember(channel, server, scope)
        provider.arrived.clear()
        provider.left.clear()
        provider.next(Fault(hang=True))
        call = asked(SearchServiceStub(channel), rpc, scope, server)
        waiting = asyncio.create_task(drained(call))
        assert await asyncio.to_thread(provider.arrived.wait, 10)
        assert not provider.left.is_set()
        call.cancel()
        assert await asyncio.to_thread(provider.left.wait, 5)
        with pytest.raises(asyncio.CancelledError):
            await waiting


def asked(stub: Any, rpc: str, scope: scope_pb2.Scope, server: MnemonServer) -> Any:
    """A call whose reranker is asked."""
    search = pb.SearchRequest(query="Which dog was it?", scope=scope, rerank=True)
    match rpc:
        case "Search":
            return stub.Search(search, metadata=server.metadata)
        case "StreamSearch":
            return stub.StreamSearch(pb.StreamSearchRequest(search=search), metadata=server.metadata)
        case "BuildContext":
            return stub.BuildContext(pb.BuildContextRequest(search=search), metadata=server.metadata)
        case _:
            return stub.LiveSearch(spoken(scope), metadata=server.metadata)


async def spoken(scope: scope_pb2.Scope) -> AsyncIterator[pb.LiveSearchRequest]:
    """A finished utterance of a caller who stays on the line."""
    yield pb.LiveSearchRequest(search=pb.SearchRequest(query="live", scope=scope, rerank=True))
    yield pb.LiveSearchRequest(utterance=pb.Utterance(text="Which dog was it?", final=True))
    await asyncio.Event().wait()


async def drained(call: Any) -> None:
    """Takes what comes until the call ends."""
    if isinstance(call, grpc.aio.UnaryUnaryCall):
        await call
        return
    async for _ in call:
        pass
