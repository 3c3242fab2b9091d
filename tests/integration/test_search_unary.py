"""Search: the right memories, never the wrong ones, with scores that mean something."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from google.protobuf.struct_pb2 import Value

from mnemon.v1 import filter_pb2, scope_pb2
from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.index.milvus import MilvusIndex, lite_index
from mnemon_service.index.server_engine import server_index
from mnemon_service.model.caller import KeyRole
from mnemon_service.model.errors import InvalidArgument, MnemonError, PermissionDenied, Reason, Unavailable
from mnemon_service.model.memory import Entity, MemoryType
from mnemon_service.model.scope import Scope
from mnemon_service.record.times import utc_now
from mnemon_service.search.settings import SearchSettings
from support.search_world import (
    ANA,
    BO,
    SearchWorld,
    WordSpace,
    request,
    search_world,
    word_index,
)

BY_INDEX = SearchSettings(views=False)
IN_TRAVEL = filter_pb2.Filter(
    comparison=filter_pb2.Comparison(
        field="categories", operator=filter_pb2.OPERATOR_CONTAINS, value=Value(string_value="travel")
    )
)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def index(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MilvusIndex]:
    """One engine for all tests here."""
    opened = word_index(tmp_path_factory.mktemp("index"))
    yield opened
    await opened.close()


@pytest_asyncio.fixture(params=["view", "index"], loop_scope="module")
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, index: MilvusIndex
) -> AsyncIterator[SearchWorld]:
    """Searches of one user in memory, or all of them in the index: the promises are the same."""
    options = SearchSettings() if request.param == "view" else BY_INDEX
    async with search_world(tmp_path, index, options=options, embedder=WordSpace(["zyx-4711"])) as opened:
        yield opened


async def test_a_memory_is_found_by_meaning(world: SearchWorld) -> None:
    await world.remember("My hound sleeps a lot", "The train was late", "I like tea")
    await world.apply()
    assert (await world.texts("puppy"))[0] == "My hound sleeps a lot"


async def test_a_match_of_words_alone_wins(world: SearchWorld) -> None:
    await world.remember("zyx-4711", *(f"about my dog {number}" for number in range(20)))
    await world.apply()
    [best, *_] = (await world.search("dog zyx-4711 zyx-4711 code", top_k=3, explain=True)).hits
    assert "semantic" not in best.explanation.arm_ranks or best.memory.text.startswith("zyx")
    assert (await world.texts("zyx-4711"))[0] == "zyx-4711"


async def test_a_match_of_names_alone_is_a_candidate(world: SearchWorld) -> None:
    others = [f"one more thing number {number}" for number in range(150)]
    await world.remember(*others)
    await world.remember("She sings beautifully", entities=(Entity("Zara Quill", "PERSON"),))
    await world.apply()
    [hit] = [
        hit
        for hit in (await world.search("What of Zara Quill?", top_k=200, explain=True)).hits
        if hit.memory.text == "She sings beautifully"
    ]
    assert hit.explanation.arm_ranks["entity"] == 1
    assert list(hit.explanation.matched_entities) == ["Zara Quill"]
    assert hit.parts.entity == 1.0


async def test_what_stands_beside_a_good_hit_is_a_candidate(world: SearchWorld) -> None:
    """It shares neither words nor meaning with the question; the index could not have named it."""
    run = Scope(user_id="ana", run_id="run-1")
    await world.remember(*(f"another dog, number {number}" for number in range(150)))
    await world.remember("where did the dog hide the bone", scope=run, run_position=1, session="s")
    await world.remember("zyx-4711", scope=run, run_position=2, session="s")
    await world.remember(
        "zyx-4711 of other people", scope=Scope(user_id="bo", run_id="run-1"), run_position=2
    )
    await world.apply()
    answer = await world.search("where did the dog hide the bone", top_k=2)
    assert [hit.memory.text for hit in answer.hits] == ["where did the dog hide the bone", "zyx-4711"]
    assert answer.summary.candidate_counts["neighbour"] == 1
    assert answer.hits[1].parts.neighbour > answer.hits[1].parts.semantic


async def test_a_write_that_returned_is_seen(world: SearchWorld) -> None:
    """Neither the view nor the index was told of it."""
    [old] = await world.remember("I live in Oslo")
    await world.apply()
    assert await world.texts("where do I live") == ["I live in Oslo"]
    await world.remember("I live in Bergen now")
    await world.change(old, text="I lived in Oslo before")
    assert set(await world.texts("where do I live")) == {"I live in Bergen now", "I lived in Oslo before"}


async def test_what_is_gone_never_comes_back(world: SearchWorld) -> None:
    """The index is not told: it still holds every one of them."""
    deleted, erased, superseded, expiring, successor = await world.remember(
        *(f"my dog is called {name}" for name in ("Rex", "Bello", "Hasso", "Waldi", "Struppi"))
    )
    await world.apply()
    assert len(await world.texts("dog")) == 5
    await world.delete(deleted)
    await world.erase(erased)
    await world.supersede(superseded, by=successor)
    await world.change(expiring, expire_time=utc_now() - timedelta(seconds=1))
    assert await world.texts("dog") == ["my dog is called Struppi"]


async def test_superseded_memories_come_marked_when_asked_for(world: SearchWorld) -> None:
    old, new = await world.remember("I work at Acme", "I work at Globex")
    await world.supersede(old, by=new)
    await world.apply()
    answer = await world.search("work", show_superseded=True)
    assert {hit.memory.text: hit.memory.superseded_by for hit in answer.hits} == {
        "I work at Acme": new.id,
        "I work at Globex": "",
    }


async def test_what_was_gone_makes_room_for_the_next_best(world: SearchWorld) -> None:
    memories = await world.remember(*(f"my dog likes toy {number}" for number in range(30)))
    await world.apply()
    await world.search("dog")  # the view is warm
    for memory in memories[:20]:
        await world.delete(memory)
    assert len(await world.texts("dog", top_k=10)) == 10


async def test_scopes_and_projects_are_apart(world: SearchWorld) -> None:
    await world.remember("my dog is Rex", scope=Scope(user_id="ana", agent_id="coach"))
    await world.remember("my dog is Bello", scope=BO)
    await world.remember("my dog is Hasso", project_id=world.other_project)
    await world.apply()
    assert await world.texts("dog") == ["my dog is Rex"]
    assert await world.texts("dog", Scope(user_id="ana", agent_id="cook")) == []
    assert await world.texts("dog", Scope(agent_id="coach")) == ["my dog is Rex"]
    everything = pb.SearchRequest(query="dog", project_wide=True)
    answer = await world.servicer.Search(everything, world.call(KeyRole.ADMIN))
    assert {hit.memory.text for hit in answer.hits} == {"my dog is Rex", "my dog is Bello"}
    with pytest.raises(PermissionDenied):
        await world.servicer.Search(everything, world.call(KeyRole.WRITER))


async def test_a_bound_key_sees_only_its_part(world: SearchWorld) -> None:
    await world.remember("my dog is Rex", scope=Scope(user_id="ana", agent_id="coach"))
    await world.remember("my dog is Bello", scope=ANA)
    await world.apply()
    bound = world.call(bound=Scope(agent_id="coach"))
    answer = await world.servicer.Search(request("dog"), bound)
    assert [hit.memory.text for hit in answer.hits] == ["my dog is Rex"]


async def test_a_filter_costs_no_hits(world: SearchWorld) -> None:
    """The few that pass are found among many better matches that do not."""
    await world.remember(*(f"dog dog dog {number}" for number in range(150)))
    await world.remember("a dog on the beach", type=MemoryType.EPISODIC, categories=("travel",))
    await world.apply()
    assert await world.texts("dog", filter=IN_TRAVEL) == ["a dog on the beach"]


async def test_the_threshold_leaves_out_what_scores_less(world: SearchWorld) -> None:
    await world.remember("my dog is Rex", "the weather was fine", "we talked about taxes")
    await world.apply()
    every = await world.search("what is my dog called")
    assert len(every.hits) == 3
    bound = every.hits[0].score
    kept = await world.search("what is my dog called", threshold=bound)
    assert [hit.memory.text for hit in kept.hits] == ["my dog is Rex"]
    assert kept.summary.matched_count == 1
    assert (await world.search("what is my dog called", threshold=1.0)).hits == []


async def test_the_parts_add_up_to_the_score(world: SearchWorld) -> None:
    await world.remember("my dog is Rex", "Rex likes the beach", attributed_to="Ana", run_position=1)
    await world.apply()
    for hit in (await world.search("Where was Rex last May?", explain=True)).hits:
        weights = hit.explanation.weights
        parts = {name: getattr(hit.parts, name) for name in weights}
        assert sum(weights[name] * part for name, part in parts.items()) == pytest.approx(
            hit.explanation.raw_score
        )
        assert hit.score == pytest.approx(
            SearchSettings().weights.calibration.score(hit.explanation.raw_score)
        )
        assert all(0.0 <= part <= 1.0 for part in parts.values())


async def test_equal_memories_come_in_one_order(world: SearchWorld) -> None:
    await world.remember(*(["the same dog"] * 12))
    await world.apply()
    first = [hit.memory.id for hit in (await world.search("dog", top_k=12)).hits]
    again = [hit.memory.id for hit in (await world.search("dog", top_k=12)).hits]
    part = [hit.memory.id for hit in (await world.search("dog", top_k=5)).hits]
    assert first == again
    assert part == first[:5]
    replica = world.serving(SearchSettings())
    other = await replica.Search(request("dog", top_k=12), world.call())
    assert [hit.memory.id for hit in other.hits] == first


async def test_the_summary_says_what_was_done(world: SearchWorld) -> None:
    [*_, last] = await world.remember("my dog is Rex", "I like tea")
    await world.apply()
    summary = (await world.search("dog")).summary
    assert summary.sequence == last.sequence
    assert summary.candidate_counts["semantic"] == 2
    assert summary.candidate_counts["keyword"] == 1
    assert [usage.model for usage in summary.usage.providers] == ["words"]
    assert {stage.stage for stage in summary.usage.stages} >= {
        "analyse",
        "embed",
        "retrieve",
        "fuse",
        "hydrate",
    }
    assert list(summary.notices) == []


async def test_a_search_by_words_calls_no_model(world: SearchWorld) -> None:
    await world.remember("my hound is Rex", "my puppy is Bello")
    await world.apply()
    assert world.embedder is not None
    before = world.embedder.calls
    assert await world.texts("hound", mode=pb.SEARCH_MODE_KEYWORD) == ["my hound is Rex"]
    assert world.embedder.calls == before


async def test_a_search_by_meaning_looks_at_no_words(world: SearchWorld) -> None:
    await world.remember("my hound is Rex", "my puppy is Bello")
    await world.apply()
    scores = {
        hit.memory.text: hit.parts for hit in (await world.search("hound", mode=pb.SEARCH_MODE_SEMANTIC)).hits
    }
    hound, puppy = scores["my hound is Rex"], scores["my puppy is Bello"]
    assert hound.semantic == pytest.approx(puppy.semantic, abs=1e-6)
    assert hound.keyword == puppy.keyword == 0.0


async def test_variety_puts_repetitions_behind(world: SearchWorld) -> None:
    await world.remember("my dog barks loud", "my dog barks", "our dog eats fish")
    await world.apply()
    assert (await world.texts("my dog barks"))[1] == "my dog barks loud"
    assert (await world.texts("my dog barks", diversity=0.7))[1] == "our dog eats fish"


async def test_the_past_is_searched_as_it_was(world: SearchWorld) -> None:
    [kept, deleted] = await world.remember("my dog is Rex", "my dog is Bello")
    await world.delete(deleted)
    await world.change(kept, text="my cat is Rex")
    await world.remember("my dog is Hasso")
    await world.apply()
    then = {"sequence": 2}
    assert set(await world.texts("dog", as_of=then)) == {"my dog is Rex", "my dog is Bello"}
    assert (await world.texts("dog"))[0] == "my dog is Hasso"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (pb.SearchRequest(query="dog"), Reason.SCOPE_REQUIRED),
        (pb.SearchRequest(query=" \n", scope=scope_pb2.Scope(user_id="ana")), Reason.INVALID_FIELD),
        (
            pb.SearchRequest(query="dog", project_wide=True, scope=scope_pb2.Scope(user_id="a")),
            Reason.INVALID_FIELD,
        ),
    ],
)
async def test_wrong_requests_are_refused(
    world: SearchWorld, wrong: pb.SearchRequest, reason: Reason
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await world.servicer.Search(wrong, world.call(KeyRole.ADMIN))
    assert caught.value.reason is reason


async def test_without_a_model_words_still_find(tmp_path: Path) -> None:
    async with search_world(tmp_path, words_only=True) as world:
        await world.remember("my dog is Rex", "I like tea")
        answer = await world.search("what is my dog called?")
        assert [hit.memory.text for hit in answer.hits] == ["my dog is Rex"]
        assert [notice.code for notice in answer.summary.notices] == ["KEYWORD_ONLY"]
        with pytest.raises(Unavailable) as caught:
            await world.search("dog", mode=pb.SEARCH_MODE_SEMANTIC)
        assert caught.value.reason is Reason.EMBEDDER_UNAVAILABLE


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_users_are_searched_while_the_index_is_away(tmp_path: Path) -> None:
    """Only what does not fit into memory needs it, and says so."""
    options = SearchSettings(view_rows_of_scope=1)
    nobody = server_index(
        f"http://127.0.0.1:{free_port()}", embedder=WordSpace.name, dimensions=WordSpace.dimension
    )
    async with search_world(tmp_path, nobody, options=options) as world:
        await world.remember("my dog is Rex", scope=Scope(user_id="ana", agent_id="coach"))
        await world.remember("my dog is Bello", scope=Scope(user_id="bo", agent_id="coach"))
        assert await world.texts("dog") == ["my dog is Rex"]
        with pytest.raises(MnemonError) as caught:
            await world.search("dog", Scope(agent_id="coach"))
        assert isinstance(caught.value, Unavailable)
        assert caught.value.reason is Reason.INDEX_UNAVAILABLE
        assert caught.value.retry_after is not None


async def test_every_search_says_that_the_index_went_away(tmp_path: Path) -> None:
    """Three lists fail at once; the caller gets one plain error with its reason, whatever it asked."""
    hanging = lite_index(tmp_path, embedder=WordSpace.name, dimensions=WordSpace.dimension, timeout=1.0)
    async with search_world(tmp_path, hanging, options=BY_INDEX) as world:
        await world.remember("my dog is Rex", entities=(Entity("Rex"),))
        await world.apply()
        assert await world.texts("Who is Rex?") == ["my dog is Rex"]
        asked = request("Who is Rex?")

        async def send(response: object) -> None:
            raise AssertionError(response)

        async def said() -> AsyncIterator[pb.LiveSearchRequest]:
            yield pb.LiveSearchRequest(search=request(""))
            yield pb.LiveSearchRequest(utterance=pb.Utterance(text="Who is Rex?", final=True))

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: world.servicer.Search(asked, world.call()),
            lambda: world.servicer.StreamSearch(pb.StreamSearchRequest(search=asked), world.call(), send),
            lambda: world.servicer.BuildContext(pb.BuildContextRequest(search=asked), world.call()),
            lambda: world.servicer.LiveSearch(said(), world.call(), send),
        ]
        engine = psutil.Process(hanging._engine.process_id)  # type: ignore[attr-defined]
        engine.suspend()
        try:
            for call in calls:
                with pytest.raises(Unavailable) as caught:
                    await call()
                assert caught.value.reason is Reason.INDEX_UNAVAILABLE
                assert caught.value.retry_after is not None
        finally:
            engine.resume()
        await hanging.close()
