"""A search answers the same from memory and from the index, on both databases, whatever its filter.

All memories are candidates here: with fewer, neighbours and sittings lend scores only as far as each way
looked, and `docs/search.md` says how much that changes.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemon_service.model.filter import Filter
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Entity, Memory, Role, Source
from mnemon_service.model.scope import Scope
from mnemon_service.model.stages import Stages
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.search.index_retrieval import IndexPlaces
from mnemon_service.search.question import Hit, Mode, Question
from mnemon_service.search.retrieval import ScopePlaces
from mnemon_service.search.searching import Searcher
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.views import Views
from support.filter_oracle import EPOCH, FILTERS, many_memories, oracle
from support.postgres import PostgresServer
from support.records import TestClock
from support.search_world import SearchWorld, WordSpace, empty_database, word_index

NOW = EPOCH + timedelta(hours=1)
TOLERANCE = 1e-5
"""Of a score: the two ways add single-precision numbers in different orders."""
WORDS = ("dog", "cat", "house", "train", "tea", "coffee", "garden", "book", "piano", "river")
NAMES = ("Zara", "Otto", "Mia Stone", "Oslo")
SETTINGS = SearchSettings(candidates=200, index_candidates=200)
SCOPES = (
    *(Scope(), Scope(), Scope(), Scope(run_id="run")),
    *(Scope(user_id=user) for user in ("work", "o'neill", "' or id != '", "日本", "nobody")),
    *(Scope(agent_id="Work"), Scope(user_id="a\nb", run_id="run")),
)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True, repr=False)
class Ways:
    """Everything that answers the same questions, and the memories as they are stored."""

    searchers: dict[str, tuple[str, Searcher]]
    """By name: the project asked in, and who answers."""
    stored: list[Memory]


def told(project: str) -> list[Memory]:
    """Odd memories that also say something, in conversations; none expires while this is read."""
    chance = random.Random(5)
    return [
        replace(
            memory,
            id=new_id(),
            text=". ".join(
                " ".join(chance.choices(WORDS, k=chance.randint(2, 7))) for _ in range(chance.randint(1, 3))
            ),
            expire_time=memory.expire_time and datetime(2100 + number % 2, 1, 1, tzinfo=UTC),
            run_position=number // 2,
            session=chance.choice(["", "s"]),
            entities=tuple(Entity(name) for name in chance.sample(NAMES, chance.randint(0, 2))),
            sources=chance.choice([(), (Source("m", Role.USER, observed_time=EPOCH),)]),
        )
        for number, memory in enumerate(many_memories(project))
    ]


def searchers_of(name: str, world: SearchWorld) -> dict[str, tuple[str, Searcher]]:
    """Who answers from memory, and who from the index."""
    space, dimension = world.space, WordSpace.dimension
    by_index = IndexPlaces(world.record, world.index, world.applied, space, dimension, SETTINGS)
    held = Views(world.record, space, dimension, SETTINGS)
    by_view = ScopePlaces(world.record, held, by_index, space, dimension, SETTINGS)
    return {
        f"{name}, {way}": (world.project, Searcher(world.record, places, world.embedder, SETTINGS))
        for way, places in (("memory", by_view), ("index", by_index))
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> AsyncIterator[Ways]:
    """The same memories on both databases, most of them applied to one index, the last ones in the tail."""
    directory = tmp_path_factory.mktemp("agreement")
    index = word_index(directory / "index")
    made = told("")
    database = await postgres_server.create_database()
    places: dict[str, str | Path] = {
        "SQLite": await empty_database(directory),
        "PostgreSQL": postgres_server.url(database),
    }
    searchers: dict[str, tuple[str, Searcher]] = {}
    records = []
    stored: list[Memory] = []
    for name, place in places.items():
        clock = TestClock()
        record = await Record.open(place, clock=clock)
        world = SearchWorld(record, index, WordSpace(), SETTINGS, None)
        for project in (world.project, world.other_project):
            await record.projects.create(project)
        clock.now = EPOCH - timedelta(days=1)
        stored = await world.store(*made[:30])
        clock.now = EPOCH
        stored += await world.store(*made[30:50])
        await world.apply()
        stored += await world.store(*made[50:])
        records.append(record)
        searchers |= searchers_of(name, world)
    yield Ways(searchers, stored)
    await index.close()
    for record in records:
        await record.close()
    await postgres_server.drop_database(database)


async def answer(searcher: Searcher, question: Question) -> list[Hit]:
    fused = await searcher.fused(question, Stages())
    return await searcher.hydrated(fused, question.top_k, Stages())


def difference(one: Sequence[Hit], other: Sequence[Hit]) -> str:
    """How two answers differ: in their memories, a score, or an order that is not of scores equal in all
    but the last bits."""
    scores = {hit.id: hit for hit in one}
    if missing := scores.keys() ^ {hit.id for hit in other}:
        return f"only one has {sorted(missing)}"
    for hit in other:
        if abs(hit.score - scores[hit.id].score) > TOLERANCE:
            return f"{hit.id}: {hit.ranked.parts} or {scores[hit.id].ranked.parts}"
    for mine, its in zip(one, other, strict=True):
        if abs(mine.score - its.score) > TOLERANCE:
            return f"{mine.id} or {its.id} in one place"
    return ""


QUERIES = st.builds(
    lambda words, names: " ".join([*words, *names]),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
    st.lists(st.sampled_from(NAMES), max_size=1),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    filter_=st.none() | FILTERS,
    text=QUERIES,
    scope=st.sampled_from(SCOPES),
    mode=st.sampled_from([Mode.HYBRID, Mode.HYBRID, Mode.SEMANTIC, Mode.KEYWORD]),
    top_k=st.sampled_from([3, 100]),
)
async def test_every_way_of_answering_gives_what_the_oracle_allows_in_one_order(
    ways: Ways, filter_: Filter | None, text: str, scope: Scope, mode: Mode, top_k: int
) -> None:
    allowed = {
        memory.id
        for memory in ways.stored
        if scope.selects(memory.scope) and (filter_ is None or oracle(filter_, memory))
    }
    first: list[Hit] | None = None
    for name, (project, searcher) in ways.searchers.items():
        question = Question(Access(project), scope, text, NOW, filter_, top_k=top_k, mode=mode)
        hits = await answer(searcher, question)
        found = {hit.id for hit in hits}
        assert found <= allowed, name
        if mode is not Mode.KEYWORD:  # which leaves out what holds none of the words
            assert len(hits) == len(found) == min(top_k, len(allowed)), name
        first = hits if first is None else first
        assert not difference(first, hits), name


async def test_no_store_changes_a_value_that_filters_look_at(ways: Ways) -> None:
    """So the oracle above saw memories as odd as they were made."""
    assert [memory.metadata for memory in ways.stored] == [memory.metadata for memory in told("")]
    assert [memory.categories for memory in ways.stored] == [memory.categories for memory in told("")]
