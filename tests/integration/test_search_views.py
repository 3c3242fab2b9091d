"""Scopes in memory: built once, bounded, as fresh as the log, and of one mind with the index."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.model.filter import And, Comparison, Filter, Not, Op, Or
from mnemon_service.model.filter_matching import matches
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Entity, EventTime, Memory, MemoryType, Role, Source
from mnemon_service.model.scope import Scope
from mnemon_service.model.stages import Stages
from mnemon_service.record.selection import Access
from mnemon_service.search.index_retrieval import IndexPlaces
from mnemon_service.search.question import Question
from mnemon_service.search.retrieval import ScopePlaces
from mnemon_service.search.searching import Searcher
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.views import View, Views, view_scope
from support.search_world import ANA, BO, NOW, SearchWorld, request, search_world, word_index

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def index(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MilvusIndex]:
    """One engine for all tests here."""
    opened = word_index(tmp_path_factory.mktemp("index"))
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def world(tmp_path: Path, index: MilvusIndex) -> AsyncIterator[SearchWorld]:
    async with search_world(tmp_path, index) as opened:
        yield opened


class Time:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def views(world: SearchWorld, clock: Time | None = None, **settings: Any) -> Views:
    return Views(world.record, world.space, 256, SearchSettings(**settings), clock or Time())


def ids(view: View | None) -> set[str]:
    """What the view holds and may return."""
    assert view is not None
    mask = view.mask(Scope(), None, (Memory("", "", Scope(), "").state,))
    return {row.memory_id for row, shown in zip(view.rows._rows, mask, strict=True) if row and shown}


async def test_searches_that_come_together_build_one_view(world: SearchWorld) -> None:
    await world.remember("one", "two")
    cache = views(world)
    found = await asyncio.gather(*(cache.current(world.project, ANA) for _ in range(10)))
    assert len({id(view) for view in found}) == 1
    assert len(cache) == 1


async def test_one_that_gives_up_does_not_take_the_view_from_the_others(world: SearchWorld) -> None:
    [memory] = await world.remember("one")
    cache = views(world)
    first = asyncio.create_task(cache.current(world.project, ANA))
    second = asyncio.create_task(cache.current(world.project, ANA))
    await asyncio.sleep(0)
    first.cancel()
    assert ids(await second) == {memory.id}


async def test_who_joins_a_build_sees_what_was_written_before_it_asked(world: SearchWorld) -> None:
    await world.remember("one")
    cache = views(world)
    first = asyncio.create_task(cache.current(world.project, ANA))
    await asyncio.sleep(0)
    [late] = await world.remember("two")
    assert late.id in ids(await cache.current(world.project, ANA))
    await first


@pytest.mark.parametrize("sole_writer", [False, True])
async def test_a_view_follows_every_kind_of_change(world: SearchWorld, sole_writer: bool) -> None:
    memories = await world.remember("added", "changed", "deleted", "erased", "superseded")
    added, changed, deleted, erased, superseded = memories
    cache = views(world, sole_writer=sole_writer)
    assert ids(await cache.current(world.project, ANA)) == {memory.id for memory in memories}
    await world.change(changed, text="something else")
    await world.delete(deleted)
    await world.erase(erased)
    await world.supersede(superseded, by=added)
    [new] = await world.remember("new")
    await world.remember("not hers", scope=BO)
    view = await cache.current(world.project, ANA)
    assert ids(view) == {added.id, changed.id, new.id}
    assert view is not None
    assert superseded.id in view.rows
    assert erased.id not in view.rows
    assert view.position == await world.record.log.last_sequence(Access(world.project))


async def test_a_slower_search_does_not_put_old_rows_back(world: SearchWorld) -> None:
    [memory] = await world.remember("one")
    view = await views(world).current(world.project, ANA)
    assert view is not None
    await world.change(memory, text="two")
    [older] = await world.record.log.tail(Access(world.project), ANA, view.position, space=world.space)
    await world.delete(memory)
    [newer] = await world.record.log.tail(Access(world.project), ANA, view.position, space=world.space)
    view.advance([newer], newer.version.sequence)
    view.advance([older], older.version.sequence)
    assert ids(view) == set()
    assert view.position == newer.version.sequence


async def test_long_tails_are_read_to_their_end(world: SearchWorld) -> None:
    cache = views(world)
    await cache.current(world.project, ANA)
    await world.remember(*(f"memory {number}" for number in range(2_100)))
    view = await cache.current(world.project, ANA)
    assert view is not None
    assert len(view.rows) == 2_100


async def test_the_least_recently_searched_goes_first(world: SearchWorld) -> None:
    people = [Scope(user_id=name) for name in ("ana", "bo", "cy")]
    for person in people:
        await world.remember(*(f"memory {number}" for number in range(50)), scope=person)
    one = await views(world).current(world.project, ANA)
    assert one is not None
    bound = int(one.size_in_bytes * 2.5)
    cache = views(world, view_bytes=bound)
    for person in (people[0], people[1], people[0], people[2]):
        await cache.current(world.project, person)
    assert cache.size_in_bytes <= bound
    assert [scope for _, scope in cache._views] == [people[0], people[2]]


async def test_a_scope_with_too_many_memories_is_not_held(world: SearchWorld) -> None:
    clock = Time()
    cache = views(world, clock, view_rows_of_user=3)
    memories = await world.remember("one", "two", "three")
    assert await cache.current(world.project, ANA) is not None
    await world.remember("four")
    await cache.current(world.project, ANA)
    assert await cache.current(world.project, ANA) is None
    assert len(cache) == 0
    await world.delete(memories[0])
    assert await cache.current(world.project, ANA) is None, "it is not counted again at once"
    clock.now += 301
    assert await cache.current(world.project, ANA) is not None


async def test_large_metadata_counts(world: SearchWorld) -> None:
    plain = await views(world).current(world.project, ANA)
    await world.remember("one", metadata={"document": "x" * 50_000})
    heavy = await views(world).current(world.project, ANA)
    assert plain is not None
    assert heavy is not None
    assert heavy.size_in_bytes > plain.size_in_bytes + 50_000


async def test_what_is_forgotten_is_not_held(world: SearchWorld) -> None:
    await world.remember("one")
    cache = views(world)
    await cache.current(world.project, ANA)
    cache.forget(world.project)
    assert (len(cache), cache.size_in_bytes) == (0, 0)


async def test_reads_of_one_users_parts_share_a_view() -> None:
    assert view_scope(Scope("ana", "coach", "app", "run")) == ANA
    assert view_scope(Scope(agent_id="coach", run_id="run")) == Scope(run_id="run")
    assert view_scope(Scope(agent_id="coach", app_id="app")) == Scope(agent_id="coach")
    assert view_scope(Scope()) == Scope()


async def test_a_large_view_is_searched_in_a_thread_alike(world: SearchWorld) -> None:
    await world.remember(*(f"memory {number} of a dog" for number in range(30)))
    in_thread = world.serving(SearchSettings(view_rows_in_loop=0))
    here = await world.search("dog 7")
    there = await in_thread.Search(request("dog 7"), world.call())
    assert [hit.memory.id for hit in here.hits] == [hit.memory.id for hit in there.hits]


WORDS = ["dog", "cat", "house", "train", "tea", "coffee", "garden", "book", "piano", "river", "bread", "game"]
NAMES = ["Zara", "Otto", "Mia Stone", "Oslo"]


def anybody(chance: random.Random) -> Memory:
    """A memory of the scope under test."""
    text = " ".join(chance.choices(WORDS, k=chance.randint(2, 9)))
    if chance.random() < 0.3:
        text += ". " + " ".join(chance.choices(WORDS, k=4))
    return Memory(
        id=new_id(),
        project_id="",
        scope=Scope("ana", chance.choice(["", "coach", "cook"]), "", chance.choice(["", "run"])),
        text=text,
        type=chance.choice(list(MemoryType)),
        categories=tuple(chance.sample(["travel", "food", "work"], chance.randint(0, 2))),
        metadata=chance.choice([{}, {"level": 1}, {"level": 2.5}, {"level": "one"}, {"a": {"b": True}}]),
        attributed_to=chance.choice(["", "Ana", "Bob"]),
        run_position=chance.randint(0, 20),
        session=chance.choice(["", "s"]),
        event_time=chance.choice([None, EventTime(NOW.replace(month=chance.randint(1, 12)))]),
        entities=tuple(Entity(name) for name in chance.sample(NAMES, chance.randint(0, 2))),
        sources=chance.choice([(), (Source("m", Role.USER, observed_time=NOW),)]),
    )


FILTERS: list[Filter | None] = [
    None,
    Comparison("categories", Op.CONTAINS, ("travel",)),
    Or((Comparison("type", Op.EQ, ("EPISODIC",)), Comparison("agent_id", Op.EQ, ("coach",)))),
    And((Comparison("metadata.level", Op.GT, (0.5,)), Not(Comparison("attributed_to", Op.EQ, ("Ana",))))),
    Comparison("metadata.a.b", Op.EXISTS, (True,)),
    Comparison("attributed_to", Op.NE, ("Bob",)),
]
SCOPES = [ANA, Scope("ana", "coach"), Scope("ana", "", "", "run"), Scope("ana", "cook", "", "run")]


@pytest.mark.parametrize("seed", range(4))
async def test_memory_and_index_agree_and_so_does_the_oracle(
    tmp_path: Path, index: MilvusIndex, seed: int
) -> None:
    """Random memories and questions: both ways find the same hits with the same scores.

    All memories are candidates here, so that neighbours and sittings lend the same too.
    """
    chance = random.Random(seed)
    async with search_world(tmp_path, index) as world:
        stored = await world.store(*(anybody(chance) for _ in range(120)))
        await world.apply()
        # The index does not hear of these: its tail brings them.
        await world.delete(stored[0])
        await world.change(stored[1], text="dog dog dog", categories=("travel",))
        [late] = await world.store(anybody(chance))
        settings = SearchSettings(candidates=200)
        by_index = IndexPlaces(world.record, index, world.applied, world.space, 256, settings)
        held = Views(world.record, world.space, 256, settings)
        by_view = ScopePlaces(world.record, held, by_index, world.space, 256, settings)
        searchers = [
            Searcher(world.record, places, world.embedder, settings) for places in (by_view, by_index)
        ]
        for _ in range(12):
            text = " ".join([*chance.choices(WORDS, k=3), *chance.sample(NAMES, 1)])
            scope, filter_ = chance.choice(SCOPES), chance.choice(FILTERS)
            question = Question(Access(world.project), scope, text, NOW, filter_, top_k=130)
            answers = []
            for searcher in searchers:
                fused = await searcher.fused(question, Stages())
                hits = await searcher.hydrated(fused, 130, Stages())
                answers.append({hit.id: hit.score for hit in hits})
            allowed = {
                memory.id: memory
                for memory in await world.record.memories.batch_get(
                    Access(world.project), [memory.id for memory in (*stored[1:], late)]
                )
                if scope.selects(memory.scope) and (filter_ is None or matches(filter_, memory))
            }
            assert answers[0].keys() == allowed.keys()
            assert answers[1].keys() == allowed.keys()
            assert np.allclose(
                [answers[0][key] for key in allowed], [answers[1][key] for key in allowed], atol=1e-5
            )


def searcher_in_memory(world: SearchWorld, now: Callable[[], datetime] = lambda: NOW) -> Searcher:
    """One that takes its hits from views where it can, without reading the record."""
    settings = SearchSettings(sole_writer=True)
    index = IndexPlaces(world.record, world.index, world.applied, world.space, 256, settings)
    held = Views(world.record, world.space, 256, settings)
    places = ScopePlaces(world.record, held, index, world.space, 256, settings)
    return Searcher(world.record, places, world.embedder, settings, now)


async def test_hits_from_memory_are_those_of_the_record(world: SearchWorld) -> None:
    stored = await world.store(*(anybody(random.Random(seed)) for seed in range(40)))
    searcher = searcher_in_memory(world)
    question = Question(Access(world.project), ANA, "dog", NOW, top_k=40)
    fused = await searcher.fused(question, Stages())
    assert fused.found.memories, "nothing was taken from memory: the test would prove nothing"
    hits = await searcher.hydrated(fused, 40, Stages())
    kept = await world.record.memories.batch_get(Access(world.project), [memory.id for memory in stored])
    assert {hit.id: hit.memory for hit in hits} == {
        memory.id: memory for memory in kept if ANA.selects(memory.scope)
    }


async def test_what_changes_between_ranking_and_answer_is_answered_as_it_is_then(world: SearchWorld) -> None:
    stays, changed, deleted = await world.remember("dog stays", "dog changes", "dog goes")
    searcher = searcher_in_memory(world)
    question = Question(Access(world.project), ANA, "dog", NOW)
    fused = await searcher.fused(question, Stages())
    await world.delete(deleted)
    await world.change(changed, text="dog has changed")
    hits = await searcher.hydrated(fused, 10, Stages())
    texts = {hit.id: hit.memory.text for hit in hits if hit.memory}
    assert texts == {stays.id: "dog stays", changed.id: "dog has changed"}


async def test_what_expires_between_ranking_and_answer_is_not_answered(world: SearchWorld) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    [stays] = await world.remember("dog for ever")
    [goes] = await world.remember("dog for an hour", expire_time=end)
    time = [end - timedelta(minutes=1)]
    searcher = searcher_in_memory(world, lambda: time[0])
    question = Question(Access(world.project), ANA, "dog", NOW)
    fused = await searcher.fused(question, Stages())
    assert {hit.id for hit in await searcher.hydrated(fused, 10, Stages())} == {stays.id, goes.id}
    time[0] = end
    assert {hit.id for hit in await searcher.hydrated(fused, 10, Stages())} == {stays.id}


async def test_hits_from_memory_stay_inside_the_bound_of_the_key(world: SearchWorld) -> None:
    """Also where a caller forgot to narrow the question: the room that hydrates does not rely on it."""
    bound = Scope(user_id=ANA.user_id, agent_id="cook")
    [inside] = await world.remember("dog of the cook", scope=bound)
    await world.remember("dog of nobody else")
    searcher = searcher_in_memory(world)
    question = Question(Access(world.project, bound), ANA, "dog", NOW)
    fused = await searcher.fused(question, Stages())
    assert {hit.id for hit in await searcher.hydrated(fused, 10, Stages())} == {inside.id}


async def test_a_long_unapplied_tail_is_said(tmp_path: Path, index: MilvusIndex) -> None:
    options = replace(SearchSettings(views=False), tail_changes=1_000)
    async with search_world(tmp_path, index, options=options) as world:
        await world.remember(*(f"dog {number}" for number in range(1_500)))
        answer = await world.search("dog")
        assert [notice.code for notice in answer.summary.notices] == ["INDEX_LAGGING"]
        await world.apply()
        assert not (await world.search("dog")).summary.notices
