"""LiveSearch: what somebody is saying, searched while it grows; only differences come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.index.milvus import MilvusIndex, lite_index
from mnemon_service.model.errors import InvalidArgument, Unavailable
from mnemon_service.search.settings import SearchSettings
from support.search_world import SearchWorld, WordSpace, request, search_world, word_index

QUICK = SearchSettings(live_debounce_seconds=0.01, live_longest_wait_seconds=0.05)
PATIENT = replace(QUICK, live_debounce_seconds=60.0, live_longest_wait_seconds=60.0)


class Conversation:
    """A caller of LiveSearch: says things, hears answers, and keeps the hits as they stand."""

    def __init__(self, world: SearchWorld, **fields: Any) -> None:
        self._said: asyncio.Queue[pb.LiveSearchRequest | None] = asyncio.Queue()
        self.heard: asyncio.Queue[pb.LiveSearchResponse] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.order: list[str] = []
        self._said.put_nowait(pb.LiveSearchRequest(search=request("", **fields)))
        self.call = asyncio.create_task(world.servicer.LiveSearch(self._requests(), world.call(), self._send))

    def say(self, text: str, *, final: bool = False) -> None:
        utterance = pb.Utterance(text=text, final=final)
        self._said.put_nowait(pb.LiveSearchRequest(utterance=utterance))

    def put(self, message: pb.LiveSearchRequest) -> None:
        self._said.put_nowait(message)

    async def hear(self) -> pb.LiveSearchResponse:
        """The next answer, applied to the hits."""
        async with asyncio.timeout(10):
            answer = await self.heard.get()
        kept = [key for key in self.order if key not in set(answer.removed_memory_ids)]
        placed = {hit.rank: hit.memory.id for hit in answer.added}
        placed |= {move.to_rank: move.memory_id for move in answer.moved}
        stayed = iter([key for key in kept if key not in placed.values()])
        self.order = [
            placed.get(rank) or next(stayed) for rank in range(1, len(kept) + len(answer.added) + 1)
        ]
        return answer

    async def end(self) -> None:
        self._said.put_nowait(None)
        async with asyncio.timeout(10):
            await self.call

    async def _requests(self) -> AsyncIterator[pb.LiveSearchRequest]:
        while (message := await self._said.get()) is not None:
            yield message

    async def _send(self, response: pb.LiveSearchResponse) -> None:
        await self.reads.wait()
        await self.heard.put(response)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def index(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MilvusIndex]:
    """One engine for all tests here, started before any of them."""
    opened = word_index(tmp_path_factory.mktemp("index"))
    await opened.open()
    yield opened
    await opened.close()


@pytest_asyncio.fixture(params=["view", "index"], loop_scope="module")
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, index: MilvusIndex
) -> AsyncIterator[SearchWorld]:
    options = replace(QUICK, views=request.param == "view")
    async with search_world(tmp_path, index, options=options) as opened:
        await opened.remember(
            "my dog is Rex", "my cat is Mia", "the train to Oslo is late", "tea is better than coffee"
        )
        if request.param == "index":
            await opened.apply()
        yield opened


async def test_a_growing_sentence_gets_only_what_changed(world: SearchWorld) -> None:
    conversation = Conversation(world, top_k=2)
    conversation.say("my")
    first = await conversation.hear()
    assert (first.revision, first.text, len(first.added)) == (1, "my", 2)
    conversation.say("my cat")
    conversation.say("my cat on the train", final=True)
    while not (answer := await conversation.hear()).final:
        pass
    assert answer.text == "my cat on the train"
    again = [hit.memory.id for hit in (await world.search("my cat on the train", top_k=2)).hits]
    assert conversation.order == again
    conversation.say("my cat on the train", final=True)
    same = await conversation.hear()
    assert same.final
    assert not (same.added or same.removed_memory_ids or same.moved)
    await conversation.end()


async def test_an_unfinished_utterance_that_changes_nothing_is_silent(world: SearchWorld) -> None:
    conversation = Conversation(world, top_k=2)
    conversation.say("my dog", final=True)
    await conversation.hear()
    conversation.say("my dog ")
    await asyncio.sleep(0.2)
    conversation.say("my dog  ", final=True)
    answer = await conversation.hear()
    assert (answer.revision, answer.text) == (2, "my dog  ")
    await conversation.end()


async def test_text_that_grew_costs_one_embedding_and_asks_no_index(tmp_path: Path) -> None:
    """The index hangs after the first answer; what was found then still serves. A finished utterance
    needs it."""
    hanging = lite_index(tmp_path, embedder=WordSpace.name, dimensions=WordSpace.dimension, timeout=1.0)
    embedder = WordSpace()
    options = replace(QUICK, views=False)
    async with search_world(tmp_path, hanging, options=options, embedder=embedder) as world:
        await world.remember("my dog is Rex", "the train to Oslo is late", "tea is better than coffee")
        await world.apply()
        conversation = Conversation(world, top_k=1)
        conversation.say("tea")
        [tea] = (await conversation.hear()).added
        assert tea.memory.text == "tea is better than coffee"
        engine = psutil.Process(hanging._engine.process_id)  # type: ignore[attr-defined]
        engine.suspend()
        try:
            before = embedder.calls
            conversation.say("tea on the train to Oslo")
            [train] = (await conversation.hear()).added
            assert train.memory.text == "the train to Oslo is late"
            assert embedder.calls == before + 1
            conversation.say("tea on the train to Oslo", final=True)
            with pytest.raises(Unavailable):
                await conversation.end()
        finally:
            engine.resume()
        await hanging.close()


async def test_silence_takes_the_hits_away(world: SearchWorld) -> None:
    conversation = Conversation(world, top_k=3)
    conversation.say("my dog", final=True)
    shown = [hit.memory.id for hit in (await conversation.hear()).added]
    conversation.say("", final=True)
    assert list((await conversation.hear()).removed_memory_ids) == shown
    await conversation.end()


async def test_a_finished_utterance_sees_the_latest_writes(world: SearchWorld) -> None:
    conversation = Conversation(world, top_k=1)
    conversation.say("parrot")
    await conversation.hear()
    [parrot] = await world.remember("the parrot talks")
    conversation.say("parrot", final=True)
    answer = await conversation.hear()
    assert [hit.memory.id for hit in answer.added] == [parrot.id]
    await conversation.end()


async def test_what_is_deleted_while_speaking_is_not_returned(world: SearchWorld) -> None:
    [parrot] = await world.remember("the parrot talks")
    conversation = Conversation(world, top_k=1)
    conversation.say("parrot")
    await conversation.hear()
    await world.delete(parrot)
    conversation.say("parrot talks")
    answer = await conversation.hear()
    assert list(answer.removed_memory_ids) == [parrot.id]
    await conversation.end()


async def test_fast_typing_is_answered_once_and_a_pause_at_once_when_final(tmp_path: Path) -> None:
    """Nothing is answered before the pause, which here would take a minute."""
    async with search_world(tmp_path, options=PATIENT) as world:
        await world.remember("my dog is Rex")
        conversation = Conversation(world)
        for length in range(1, 7):
            conversation.say("my dog"[:length])
        conversation.say("my dog", final=True)
        answer = await conversation.hear()
        assert (answer.revision, answer.text, answer.final) == (1, "my dog", True)
        await conversation.end()


async def test_a_slow_reader_gets_the_newest_text_not_a_queue(world: SearchWorld) -> None:
    conversation = Conversation(world, top_k=1)
    conversation.reads.clear()
    conversation.say("my dog", final=True)
    for text in ["tea", "my cat", "train"] * 200:
        conversation.say(text)
    await asyncio.sleep(0.1)
    conversation.reads.set()
    assert (await conversation.hear()).text == "my dog"
    assert (await conversation.hear()).text == "train"
    await conversation.end()
    assert conversation.heard.empty()


async def test_every_finished_utterance_is_answered(world: SearchWorld) -> None:
    conversation = Conversation(world, top_k=1)
    conversation.reads.clear()
    texts = [f"dog {number}" for number in range(40)]
    for text in texts:
        conversation.say(text, final=True)
    conversation.reads.set()
    assert [(await conversation.hear()).text for _ in texts] == texts
    await conversation.end()


async def test_leaving_stops_the_work(world: SearchWorld) -> None:
    others = asyncio.all_tasks()
    conversation = Conversation(world)
    conversation.say("my dog", final=True)
    await conversation.hear()
    assert asyncio.all_tasks() > others
    conversation.call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await conversation.call
    assert asyncio.all_tasks() == others


async def test_messages_out_of_order_are_refused(world: SearchWorld) -> None:
    wrong = Conversation(world)
    wrong.put(pb.LiveSearchRequest(search=request("dog")))
    with pytest.raises(InvalidArgument):
        await wrong.call

    async def utterance_first() -> AsyncIterator[pb.LiveSearchRequest]:
        yield pb.LiveSearchRequest(utterance=pb.Utterance(text="dog"))

    async def send(response: pb.LiveSearchResponse) -> None:
        raise AssertionError(response)

    with pytest.raises(InvalidArgument):
        await world.servicer.LiveSearch(utterance_first(), world.call(), send)
