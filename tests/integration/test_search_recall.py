"""Recall: what is known already, exact and current, for the write path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.memory.ports import Recall
from mnemon_service.model.scope import Scope
from mnemon_service.record.selection import Access
from mnemon_service.record.times import utc_now
from mnemon_service.search.settings import SearchSettings
from support.search_world import ANA, BO, SearchWorld, search_world, word_index

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
    options = SearchSettings(views=request.param == "view")
    async with search_world(tmp_path, index, options=options) as opened:
        yield opened


async def nearest(world: SearchWorld, *texts: str, scope: Scope = ANA, limit: int = 3) -> list[list[str]]:
    """The texts that are near to each text."""
    recall: Recall = world.servicer.recall  # the write path's own words for it
    assert world.embedder is not None
    vectors = [world.embedder.vector(text) for text in texts]
    found = await recall.nearest(Access(world.project), scope, vectors, limit)
    for nears in found:
        cosines = [near.cosine for near in nears]
        assert cosines == sorted(cosines, reverse=True)
    return [[near.memory.text for near in nears] for nears in found]


async def test_each_vector_gets_its_own_nearest(world: SearchWorld) -> None:
    await world.remember("my dog barks", "tea is hot", "a puppy")
    await world.apply()
    assert await nearest(world, "dog", "hot tea", limit=1) == [["a puppy"], ["tea is hot"]]
    assert (await nearest(world, "dog", limit=2))[0] == ["a puppy", "my dog barks"]


async def test_it_knows_every_committed_write_and_nothing_that_is_gone(world: SearchWorld) -> None:
    old, gone, expired = await world.remember("the dog is Rex", "the dog is Bello", "the dog is Hasso")
    await world.apply()
    assert len((await nearest(world, "dog"))[0]) == 3
    await world.change(old, text="the dog was Rex")
    await world.delete(gone)
    await world.change(expired, expire_time=utc_now() - timedelta(seconds=1))
    [new] = await world.remember("the dog is Waldi")
    assert sorted((await nearest(world, "dog"))[0]) == [new.text, "the dog was Rex"]


async def test_others_memories_are_unknown(world: SearchWorld) -> None:
    await world.remember("the dog is Rex", scope=BO)
    await world.apply()
    assert await nearest(world, "dog") == [[]]
    recall = world.servicer.recall
    assert world.embedder is not None
    bound = Access(world.project, Scope(user_id="cy"))
    assert await recall.nearest(bound, BO, [world.embedder.vector("dog")], 3) == [[]]
    assert await recall.nearest(Access(world.project), BO, [], 3) == []
