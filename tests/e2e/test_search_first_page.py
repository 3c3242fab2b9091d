"""A reranker costs a stream's first page nothing: measured through a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import grpc
import pytest

from mnemon.v1 import memory_service_pb2, scope_pb2
from mnemon.v1 import search_service_pb2 as pb
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub
from support.provider_servers.reranking_cohere import cohere_server
from support.provider_servers.server import ProviderServer
from support.server import MnemonServer, running_server

RERANK_SECONDS = 0.5
PAIRS = 20
WARM_UP = 4
ANA = scope_pb2.Scope(user_id="ana")
THINGS = ("dog", "train", "garden", "guitar", "kitchen", "doctor", "bicycle", "teacher", "winter", "recipe")


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with cohere_server(RERANK_SECONDS) as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, provider: ProviderServer) -> Iterator[MnemonServer]:
    with running_server(
        tmp_path / "data",
        MNEMON_RERANKER="cohere/a-model",
        MNEMON_COHERE_URL=f"{provider.url}/v2/rerank",
        MNEMON_COHERE_API_KEY="unused",
    ) as running:
        yield running


@pytest.mark.alone
async def test_the_first_page_does_not_wait_for_a_slow_reranker(server: MnemonServer) -> None:
    """At most 1.2 times a search without a reranker, while the whole stream takes the reranker's time."""
    unary, first_page, whole = [], [], []
    async with grpc.aio.insecure_channel(server.address) as channel:
        search = SearchServiceStub(channel)
        await MemoryServiceStub(channel).AddMemories(
            memory_service_pb2.AddMemoriesRequest(
                scope=ANA,
                texts=[f"I saw a {first} near the {second}" for first in THINGS for second in THINGS],
                infer=False,
            ),
            metadata=server.metadata,
        )
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
