"""What every index promises, whatever engine lies beneath."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio

from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.index.protocol import IndexKey, Selection
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.filter import Comparison, Op
from mnemon_service.model.memory import MemoryState
from mnemon_service.model.scope import Scope
from support.index_engines import KINDS, opened_index
from support.index_rows import DIMENSIONS, memory_id, new_project, row, unit_vector

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=KINDS)
async def index(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MilvusIndex]:
    async with opened_index(request.param, tmp_path_factory.mktemp("index")) as opened:
        yield opened


def of_user(project: str, user: str = "ana", **more: object) -> Selection:
    return Selection(project, Scope(user_id=user), **more)  # type: ignore[arg-type]


async def numbers_found(index: MilvusIndex, selection: Selection, limit: int = 1000) -> set[int]:
    hits = await index.search_dense(selection, unit_vector(0), limit)
    return {int(hit.memory_id[-12:], 16) for hit in hits}


async def test_a_row_comes_back_as_it_was_given(index: MilvusIndex) -> None:
    project = new_project()
    full = row(
        project,
        1,
        scope=Scope("ana 'the' \\great", "agent%_", "app\n\t", "run\u2028\U0001f600"),
        tokens=("plain", "größe", "日本", "0xnothex", "a_b"),
        entities=("rome", "o'neill", "\x1e1\x1f"),
        type="SEMANTIC",
        categories=("work", "50%"),
        attributed_to="ana",
        event_time=0,
        expire_time=None,
        metadata={"deep": {"list": [1, "two", None, True]}, "quote'": "\\n\n"},
        run_position=7,
        version=3,
    )
    bare = row(project, 2, vector=None, tokens=(), create_time=None, update_time=-1)
    await index.apply([full, bare])
    fetched = await index.fetch([bare.key, full.key])
    assert fetched == [bare, full]
    assert fetched[0].vector is None
    assert full.vector is not None
    np.testing.assert_array_equal(fetched[1].vector, full.vector)


async def test_dense_search_is_the_exact_nearest_by_cosine(index: MilvusIndex) -> None:
    project = new_project()
    rows = [row(project, number, user=f"user-{number % 3}") for number in range(1, 301)]
    await index.apply(rows)
    query = unit_vector(9999)
    for user in ("user-0", "user-1", "user-2"):
        mine = [entry for entry in rows if entry.scope.user_id == user]
        exact = sorted(
            ((float(unit_vector(entry.sequence) @ query), entry.memory_id) for entry in mine), reverse=True
        )[:25]
        hits = await index.search_dense(of_user(project, user), query, 25)
        assert [hit.memory_id for hit in hits] == [memory for _, memory in exact]
        np.testing.assert_allclose([hit.score for hit in hits], [score for score, _ in exact], atol=1e-5)


async def test_keyword_search_finds_the_same_tokens_and_scores_upwards(index: MilvusIndex) -> None:
    project = new_project()
    await index.apply(
        [
            row(project, 1, tokens=("größe", "berlin", "berlin")),
            row(project, 2, tokens=("berlin", "haus", "garten", "baum", "see", "dorf")),
            row(project, 3, tokens=("日本", "東京")),
            row(project, 4, tokens=("haus",)),
        ]
    )
    hits = await index.search_keyword(of_user(project), ["berlin", "größe"], 10)
    assert [hit.memory_id for hit in hits] == [memory_id(1), memory_id(2)]
    assert hits[0].score > hits[1].score > 0
    assert [hit.memory_id for hit in await index.search_keyword(of_user(project), ["東京"], 10)] == [
        memory_id(3)
    ]
    assert await index.search_keyword(of_user(project), ["nowhere"], 10) == []
    assert await index.search_keyword(of_user(project), [], 10) == []


async def test_entity_search_counts_names_and_puts_the_newest_first(index: MilvusIndex) -> None:
    project = new_project()
    await index.apply(
        [
            row(project, 1, entities=("rome", "ana")),
            row(project, 2, entities=("rome",)),
            row(project, 3, entities=("rome",)),
            row(project, 4, entities=("romero", "50% off")),
        ]
    )
    hits = await index.search_entity(of_user(project), ["rome", "ana"], 10)
    assert [(hit.memory_id, hit.score) for hit in hits] == [
        (memory_id(1), 2.0),
        (memory_id(3), 1.0),
        (memory_id(2), 1.0),
    ]
    assert [hit.memory_id for hit in await index.search_entity(of_user(project), ["50% off"], 10)] == [
        memory_id(4)
    ]


async def test_rows_without_a_vector_are_found_by_their_words_only(index: MilvusIndex) -> None:
    project = new_project()
    await index.apply([row(project, 1, vector=None), row(project, 2)])
    assert await numbers_found(index, of_user(project)) == {2}
    hits = await index.search_keyword(of_user(project), ["common"], 10)
    assert {hit.memory_id for hit in hits} == {memory_id(1), memory_id(2)}


async def test_project_scope_and_state_bound_every_search(index: MilvusIndex) -> None:
    project, other = new_project(), new_project()
    await index.apply(
        [
            row(project, 1),
            row(project, 2, user="bob"),
            row(project, 3, state=MemoryState.SUPERSEDED),
            row(project, 4, scope=Scope(user_id="ana", agent_id="a", run_id="r")),
            row(project, 5, scope=Scope(agent_id="a")),
            row(other, 1),
            row(other, 6),
        ]
    )
    assert await numbers_found(index, of_user(project)) == {1, 4}
    assert await numbers_found(index, Selection(project, Scope(agent_id="a"))) == {4, 5}
    assert await numbers_found(index, Selection(project, Scope(user_id="ana", agent_id="a"))) == {4}
    assert await numbers_found(index, Selection(project)) == {1, 2, 4, 5}
    both = (MemoryState.ACTIVE, MemoryState.SUPERSEDED)
    assert await numbers_found(index, of_user(project, states=both)) == {1, 3, 4}
    assert await numbers_found(index, of_user(other)) == {1, 6}


@pytest.mark.parametrize(
    "crafted", ["' or id != '", "x' || true || 'x", "%", "\\", "\\'", "']", "user\x1fana"]
)
async def test_a_crafted_name_selects_only_itself(index: MilvusIndex, crafted: str) -> None:
    project = f"{new_project()}{crafted}"
    await index.apply([row(project, 1, user=crafted), row(project, 2)])
    assert await numbers_found(index, of_user(project, crafted)) == {1}
    named = Comparison("user_id", Op.EQ, (crafted,))
    assert await numbers_found(index, Selection(project, filter=named)) == {1}
    await index.apply([], [IndexKey(project, memory_id(1), f"user_id:{crafted}")])
    assert await numbers_found(index, Selection(project)) == {2}


@pytest.mark.parametrize(
    "bad", ["", "1", "x' or id != '", memory_id(1).upper().replace("7", "A"), memory_id(1) + " "]
)
async def test_an_id_that_is_no_uuid_is_refused_before_anything_is_written(
    index: MilvusIndex, bad: str
) -> None:
    project = new_project()
    await index.apply([row(project, 1)])
    with pytest.raises(InvalidArgument):
        await index.apply([row(project, 2), row(project, 3, memory_id=bad)])
    with pytest.raises(InvalidArgument):
        await index.apply([], [IndexKey(project, bad)])
    with pytest.raises(InvalidArgument):
        await index.erase([IndexKey(project, bad)])
    assert await numbers_found(index, Selection(project)) == {1}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
async def test_a_vector_that_is_not_finite_or_of_another_length_is_refused(
    index: MilvusIndex, bad: float
) -> None:
    project = new_project()
    vector = unit_vector(1).copy()
    vector[3] = bad
    for wrong in (vector, np.ones(DIMENSIONS + 1, dtype=np.float32)):
        with pytest.raises(InvalidArgument):
            await index.apply([row(project, 1, vector=wrong)])
        with pytest.raises(InvalidArgument):
            await index.search_dense(of_user(project), wrong, 5)


async def test_an_older_change_never_undoes_a_newer_one(index: MilvusIndex) -> None:
    project = new_project()
    newer = row(project, 1, sequence=10, version=2, tokens=("new",))
    await index.apply([newer])
    await index.apply([row(project, 1, sequence=9, tokens=("old",))])
    await index.apply([], [IndexKey(project, memory_id(1), newer.scope.owner, sequence=9)])
    assert await index.fetch([newer.key]) == [newer]
    await index.apply([newer])
    await index.apply([], [IndexKey(project, memory_id(1), "", sequence=10)])
    assert await index.fetch([newer.key]) == []


async def test_an_update_leaves_one_row_that_every_search_shows(index: MilvusIndex) -> None:
    project = new_project()
    for version in range(1, 6):
        changed = row(project, 1, sequence=version, version=version, tokens=(f"version{version}",))
        await index.apply([changed, row(project, 1 + version)])
        assert await numbers_found(index, of_user(project)) == set(range(1, 2 + version))
        hits = await index.search_keyword(of_user(project), [f"version{version}"], 5)
        assert [hit.memory_id for hit in hits] == [memory_id(1)]
    assert await index.search_keyword(of_user(project), ["version4"], 5) == []


async def test_a_scan_shows_each_row_once(index: MilvusIndex) -> None:
    project = new_project()
    rows = [row(project, number, user=f"user-{number % 7}") for number in range(1, 1201)]
    for start in range(0, len(rows), 400):
        await index.apply(rows[start : start + 400])
    await index.apply([], [entry.key for entry in rows[:100]])
    seen = [
        (entry.memory_id, entry.version, entry.sequence, entry.owner) async for entry in index.scan(project)
    ]
    expected = [(entry.memory_id, 1, entry.sequence, entry.scope.owner) for entry in rows[100:]]
    assert sorted(seen) == sorted(expected)
    some = await index.entries([entry.key for entry in rows[90:110]])
    assert sorted(entry.sequence for entry in some) == list(range(101, 111))


async def test_a_filter_that_few_rows_pass_still_fills_the_limit(index: MilvusIndex) -> None:
    project = new_project()
    rows = [row(project, number, metadata={"rare": number % 50 == 0}) for number in range(1, 1001)]
    await index.apply(rows)
    rare = Comparison("metadata.rare", Op.EQ, (True,))
    assert await numbers_found(index, of_user(project, filter=rare), limit=20) == set(range(50, 1001, 50))
    hits = await index.search_keyword(of_user(project, filter=rare), ["common"], 15)
    assert len(hits) == 15


async def test_the_limit_is_filled_also_past_the_most_that_an_engine_gives(
    index: MilvusIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = new_project()
    await index.apply(
        [row(project, number, metadata={"rare": number % 50 == 0}) for number in range(1, 1001)]
    )
    capabilities = replace(index._access.capabilities, candidates=300, json_paths=False)
    monkeypatch.setattr(index._access, "capabilities", capabilities)
    selection = of_user(project, filter=Comparison("metadata.rare", Op.EQ, (True,)))
    query = unit_vector(4)
    nearest = sorted(range(50, 1001, 50), key=lambda number: -float(unit_vector(number) @ query))
    hits = await index.search_dense(selection, query, 15)
    assert [hit.memory_id for hit in hits] == [memory_id(number) for number in nearest[:15]]
    assert len(await index.search_keyword(selection, ["common"], 18)) == 18


async def test_metadata_too_large_for_the_index_is_left_to_the_record(index: MilvusIndex) -> None:
    project = new_project()
    await index.apply(
        [row(project, 1, metadata={"large": "x" * 70_000}), row(project, 2, metadata={"large": "y"})]
    )
    large = Comparison("metadata.large", Op.EXISTS, (True,))
    assert await numbers_found(index, of_user(project, filter=large)) == {1, 2}


async def test_a_rebuilt_index_takes_the_place_of_the_old_one_at_once(index: MilvusIndex) -> None:
    project = new_project()
    await index.apply([row(project, number) for number in range(1, 11)])
    kept = [entry async for entry in index.scan()]
    others = await index.fetch(
        [IndexKey(e.project_id, e.memory_id, e.owner) for e in kept if e.project_id != project]
    )
    generation = index.description.generation
    rebuild = await index.begin_rebuild()
    await rebuild.apply([row(project, number) for number in range(5, 8)])
    for start in range(0, len(others), 500):
        await rebuild.apply(others[start : start + 500])
    assert await numbers_found(index, of_user(project)) == set(range(1, 11))
    await rebuild.commit()
    assert index.description.generation == generation + 1
    assert await numbers_found(index, of_user(project)) == {5, 6, 7}
    await index.apply([row(project, 20)])
    assert await numbers_found(index, of_user(project)) == {5, 6, 7, 20}


async def test_an_aborted_rebuild_leaves_no_trace(index: MilvusIndex) -> None:
    project = new_project()
    await index.apply([row(project, 1)])
    before = await index.statistics()
    rebuild = await index.begin_rebuild()
    await rebuild.apply([row(project, 2)])
    await rebuild.abort()
    assert await numbers_found(index, of_user(project)) == {1}
    after = await index.statistics()
    assert (after.rows, after.collections) == (before.rows, before.collections)


async def test_erased_rows_and_projects_are_gone_and_others_stay(index: MilvusIndex) -> None:
    project, other = new_project(), new_project()
    await index.apply([row(project, number) for number in range(1, 31)] + [row(other, 1)])
    await index.erase([row(project, number).key for number in range(1, 11)])
    assert await numbers_found(index, of_user(project)) == set(range(11, 31))
    await index.drop_project(project)
    assert await numbers_found(index, Selection(project)) == set()
    assert await numbers_found(index, of_user(other)) == {1}


async def test_searches_beside_writes_always_see_what_was_acknowledged(index: MilvusIndex) -> None:
    project = new_project()
    await index.apply([row(project, 1)])
    acknowledged = {1}

    async def write() -> None:
        for number in range(2, 151):
            await index.apply([row(project, number)])
            acknowledged.add(number)

    async def read(writer: asyncio.Task[None]) -> None:
        while not writer.done():
            before = set(acknowledged)
            assert before <= await numbers_found(index, of_user(project))

    async with asyncio.TaskGroup() as group:
        writer = group.create_task(write())
        group.create_task(read(writer))
    assert len(acknowledged) == 150
