"""StreamSearch: pages first, a reranker's moves after them, a summary last; a client that leaves stops it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.model.errors import Unavailable
from mnemon_service.providers.cohere_reranking import CohereReranker
from mnemon_service.providers.reranking import Reranker
from mnemon_service.search.settings import SearchSettings
from support.embedders import Pauses, guard_for
from support.provider_servers.reranking_cohere import cohere_server
from support.provider_servers.server import Fault, ProviderServer
from support.search_world import SearchWorld, request, search_world

TEXTS = [f"my dog {'chases ' * number}cats" for number in range(12)]


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    with cohere_server() as running:
        yield running


class OneReranker:
    """Every project has this one."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker

    def get(self, name: str) -> Reranker:
        return self._reranker


@pytest.fixture
async def world(tmp_path: Path, provider: ProviderServer) -> AsyncIterator[SearchWorld]:
    provider.forget()
    provider.arrived.clear()
    provider.left.clear()
    guard = guard_for("cohere", Pauses(), attempts=1)
    reranker = CohereReranker(model="m", guard=guard, url=f"{provider.url}/v2/rerank")
    options = SearchSettings(rerank_seconds=5.0, rerank_candidates=12)
    async with search_world(tmp_path, options=options, rerankers=OneReranker(reranker)) as opened:
        await opened.remember(*TEXTS)
        yield opened
    await reranker.close()


async def stream(world: SearchWorld, page_size: int = 0, **fields: Any) -> list[pb.StreamSearchResponse]:
    """All that a stream sends."""
    sent: list[pb.StreamSearchResponse] = []

    async def send(response: pb.StreamSearchResponse) -> None:
        sent.append(response)

    asked = pb.StreamSearchRequest(search=request("my dog", **fields), page_size=page_size)
    await world.servicer.StreamSearch(asked, world.call(), send)
    return sent


def kinds(sent: list[pb.StreamSearchResponse]) -> list[str | None]:
    return [response.WhichOneof("content") for response in sent]


def replayed(sent: list[pb.StreamSearchResponse]) -> list[str]:
    """The order that a client holds after applying the revision to the pages."""
    order = [hit.memory.id for response in sent for hit in response.page.hits]
    [moves] = [response.revision.moves for response in sent if response.HasField("revision")]
    moved = {move.memory_id for move in moves}
    stayed = {rank: key for rank, key in enumerate(order, start=1) if key not in moved}
    placed = stayed | {move.to_rank: move.memory_id for move in moves if move.to_rank}
    assert sorted(placed) == list(range(1, len(placed) + 1))
    return [placed[rank] for rank in sorted(placed)]


async def test_pages_hold_the_unary_order_and_the_summary_is_last(world: SearchWorld) -> None:
    unary = await world.search("my dog", top_k=11)
    sent = await stream(world, page_size=4, top_k=11)
    assert kinds(sent) == ["page", "page", "page", "summary"]
    assert [len(response.page.hits) for response in sent[:3]] == [4, 4, 3]
    hits = [hit for response in sent for hit in response.page.hits]
    assert [hit.memory.id for hit in hits] == [hit.memory.id for hit in unary.hits]
    assert [hit.rank for hit in hits] == list(range(1, 12))
    assert sent[-1].summary.matched_count == unary.summary.matched_count == 12


async def test_moves_turn_the_pages_into_the_reranked_order(world: SearchWorld) -> None:
    unary = await world.search("my dog", top_k=5, rerank=True)
    sent = await stream(world, top_k=5, rerank=True)
    assert kinds(sent) == ["page", "revision", "summary"]
    assert replayed(sent) == [hit.memory.id for hit in unary.hits]
    shown = {hit.memory.id for hit in sent[0].page.hits}
    moves = sent[1].revision.moves
    for move in moves:
        assert move.from_rank != move.to_rank
        assert (move.from_rank == 0) == (move.memory_id not in shown)
        assert move.HasField("hit") == (move.from_rank == 0)
    assert any(move.to_rank == 0 for move in moves)
    assert [usage.provider for usage in sent[2].summary.usage.providers] == ["test", "cohere"]


async def test_reranked_hits_carry_the_score_they_are_ordered_by(world: SearchWorld) -> None:
    plain = {hit.memory.id: hit for hit in (await world.search("my dog", top_k=12)).hits}
    hits = (await world.search("my dog", top_k=12, rerank=True)).hits
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert hit.score == hit.parts.rerank
        assert hit.parts.semantic == plain[hit.memory.id].parts.semantic
    assert not any(hit.parts.HasField("rerank") for hit in plain.values())


async def test_a_failing_reranker_leaves_the_fused_order(
    world: SearchWorld, provider: ProviderServer
) -> None:
    fused = [hit.memory.id for hit in (await world.search("my dog")).hits]
    provider.next(Fault(500), Fault(500))
    answer = await world.search("my dog", rerank=True)
    sent = await stream(world, rerank=True)
    assert [hit.memory.id for hit in answer.hits] == fused
    assert [notice.code for notice in answer.summary.notices] == ["RERANK_FAILED"]
    assert kinds(sent) == ["page", "summary"]
    assert [notice.code for notice in sent[-1].summary.notices] == ["RERANK_FAILED"]


async def test_a_late_reranker_leaves_the_fused_order(world: SearchWorld, provider: ProviderServer) -> None:
    """It gets what is left of the caller's own deadline."""
    fused = [hit.memory.id for hit in (await world.search("my dog")).hits]
    provider.next(Fault(hang=True))
    call = world.call()
    call.time_remaining = 0.3
    answer = await world.servicer.Search(request("my dog", rerank=True), call)
    assert [hit.memory.id for hit in answer.hits] == fused
    assert [notice.code for notice in answer.summary.notices] == ["RERANK_LATE"]


async def test_pages_come_before_the_reranker_answers(world: SearchWorld, provider: ProviderServer) -> None:
    provider.next(Fault(hang=True))
    paged = asyncio.Event()

    async def send(response: pb.StreamSearchResponse) -> None:
        assert response.HasField("page")
        paged.set()

    asked = pb.StreamSearchRequest(search=request("my dog", rerank=True))
    work = asyncio.create_task(world.servicer.StreamSearch(asked, world.call(), send))
    assert await asyncio.to_thread(provider.arrived.wait, 5)
    assert paged.is_set()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    # The reranker's connection was hung up: nobody works for a client that left.
    assert await asyncio.to_thread(provider.left.wait, 5)


async def test_a_client_that_leaves_before_the_first_page_stops_the_embedding(tmp_path: Path) -> None:
    class Hanging:
        name = "test/hanging/8"
        dimension = 8
        stopped = asyncio.Event()
        begun = asyncio.Event()

        async def embed_query(self, text: str) -> object:
            self.begun.set()
            try:
                return await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.stopped.set()
                raise

    embedder = Hanging()
    async with search_world(tmp_path, embedder=embedder) as world:  # type: ignore[arg-type]
        work = asyncio.create_task(world.search("my dog"))
        await embedder.begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert embedder.stopped.is_set()


async def test_without_a_reranker_the_answer_says_so(tmp_path: Path) -> None:
    async with search_world(tmp_path) as world:
        await world.remember(*TEXTS)
        answer = await world.search("my dog", rerank=True)
        assert len(answer.hits) == 10
        assert [notice.code for notice in answer.summary.notices] == ["RERANK_FAILED"]


async def test_an_error_before_the_first_page_is_the_streams_error(tmp_path: Path) -> None:
    async with search_world(tmp_path, words_only=True) as world:
        with pytest.raises(Unavailable):
            await stream(world, mode=pb.SEARCH_MODE_SEMANTIC)
