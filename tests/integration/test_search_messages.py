"""Messages of the conversation log as hits, only for those who ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value

from mnemon.v1 import filter_pb2
from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.model.memory import Role, Source
from mnemon_service.model.message import Message
from mnemon_service.search.settings import SearchSettings
from support.search_world import ANA, BO, NOW, SearchWorld, request, search_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SearchWorld]:
    async with search_world(tmp_path, options=SearchSettings(messages=5)) as opened:
        await opened.remember("Ana has a dog", "Ana likes tea")
        yield opened


async def contents(world: SearchWorld, query: str, **fields: Any) -> list[str]:
    """What the hits say; messages in capitals."""
    hits = (await world.search(query, include_messages=True, **fields)).hits
    return [
        hit.memory.text if hit.HasField("memory") else hit.message.message.content.upper() for hit in hits
    ]


async def test_a_message_is_a_hit_beside_the_memories(world: SearchWorld) -> None:
    [said] = await world.say(
        Message("the dog chewed a violet umbrella", Role.ASSISTANT, "Bot", observed_time=NOW)
    )
    found = await world.search("violet umbrella", include_messages=True, explain=True)
    [best, *others] = found.hits
    assert best.message.id == said.id
    assert best.message.message.content == said.content
    assert best.message.message.name == "Bot"
    assert best.message.run_position == 1
    assert list(best.explanation.matched_terms) == ["violet", "umbrell"]
    assert [hit.WhichOneof("result") for hit in others] == ["memory", "memory"]
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert found.summary.matched_count == 3


async def test_messages_are_left_out_unless_asked_for(world: SearchWorld) -> None:
    await world.say(Message("violet umbrella"))
    assert all(hit.HasField("memory") for hit in (await world.search("violet umbrella")).hits)


async def test_messages_of_others_and_recalled_ones_are_no_hits(world: SearchWorld) -> None:
    await world.say(Message("violet umbrella of Bo"), scope=BO)
    await world.say(Message("violet umbrella, as I remember", recalled=True))
    assert not [text for text in await contents(world, "violet umbrella") if text.isupper()]


async def test_a_search_by_meaning_finds_no_messages(world: SearchWorld) -> None:
    await world.say(Message("a dog"))
    hits = (await world.search("dog", include_messages=True, mode=pb.SEARCH_MODE_SEMANTIC)).hits
    assert all(hit.HasField("memory") for hit in hits)


async def test_a_filter_holds_for_messages_too(world: SearchWorld) -> None:
    await world.say(Message("violet umbrella", name="Ana"), Message("violet umbrella too", name="Bob"))
    by_ana = filter_pb2.Filter(
        comparison=filter_pb2.Comparison(field="attributed_to", value=Value(string_value="Ana"))
    )
    assert await contents(world, "violet umbrella", filter=by_ana) == ["VIOLET UMBRELLA"]


async def test_only_the_newest_are_looked_through_and_that_is_said(world: SearchWorld) -> None:
    await world.say(Message("the oldest violet umbrella"))
    for number in range(5):
        await world.say(Message(f"violet umbrella {number}"))
    answer = await world.search("violet umbrella", include_messages=True)
    found = [hit.message.message.content for hit in answer.hits if hit.HasField("message")]
    assert sorted(found) == [f"violet umbrella {number}" for number in range(5)]
    assert [notice.code for notice in answer.summary.notices] == ["MESSAGES_CUT"]


async def test_a_context_holds_memories_only(world: SearchWorld) -> None:
    await world.say(Message("the dog chewed a violet umbrella"))
    asked = pb.BuildContextRequest(search=request("dog umbrella", ANA, include_messages=True))
    built = await world.servicer.BuildContext(asked, world.call())
    assert "umbrella" not in built.text
    assert "Ana has a dog" in built.text


@pytest.mark.parametrize("views", [True, False], ids=["view", "index"])
async def test_a_message_strengthens_what_was_drawn_from_it_where_that_has_a_weight(
    tmp_path: Path, views: bool
) -> None:
    """Also a memory that shares neither words nor meaning with the query; the message is not returned."""
    for weight in (0.0, 1.0):
        weights = replace(SearchSettings().weights, message=weight)
        options = SearchSettings(weights=weights, views=views, candidates=2, index_candidates=2)
        directory = tmp_path / str(weight)
        directory.mkdir()
        async with search_world(directory, options=options) as world:
            [said] = await world.say(Message("the dog chewed a violet umbrella", observed_time=NOW))
            [drawn] = await world.remember("It broke", sources=(Source(said.id, Role.ASSISTANT),))
            await world.remember(*(f"tea number {number}" for number in range(20)))
            await world.apply()
            found = await world.search("violet umbrella", top_k=1, explain=True)
            [best] = found.hits
            assert (best.memory.id == drawn.id) == (weight > 0.0)
            assert (best.parts.message > 0.0) == (weight > 0.0)


async def test_messages_of_others_strengthen_nothing(tmp_path: Path) -> None:
    """A memory names its sources by id: what Bo said is not looked through for Ana."""
    options = SearchSettings(weights=replace(SearchSettings().weights, message=1.0))
    async with search_world(tmp_path, options=options) as world:
        [said] = await world.say(Message("violet umbrella"), scope=BO)
        await world.remember("It broke", sources=(Source(said.id, Role.USER),))
        [best] = (await world.search("violet umbrella")).hits
        assert best.parts.message == 0.0
