"""A filter means the same on every index: held against an oracle that shares no code with the service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from mnemon_service.index.expressions import compile_selection
from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.index.protocol import IndexRow, Selection
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.filter import And, Comparison, Filter, Not, Op
from mnemon_service.model.filter_matching import check, matches
from mnemon_service.model.memory import Memory
from mnemon_service.model.scope import Scope
from support.filter_oracle import EPOCH, FILTERS, TEXTS, many_memories, oracle
from support.index_engines import KINDS, opened_index
from support.index_rows import new_project, row, unit_vector


def row_of(memory: Memory, number: int) -> IndexRow:
    def stored(time: datetime | None) -> int | None:
        return (
            None if time is None else (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        )

    return row(
        memory.project_id,
        number,
        scope=memory.scope,
        type=memory.type.value,
        categories=memory.categories,
        metadata=memory.metadata,
        attributed_to=memory.attributed_to,
        event_time=stored(memory.event_time.time if memory.event_time else None),
        expire_time=stored(memory.expire_time),
        create_time=stored(memory.create_time),
        update_time=stored(memory.update_time),
    )


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=KINDS)
async def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[MilvusIndex, str, list[Memory]]]:
    async with opened_index(request.param, tmp_path_factory.mktemp("index")) as index:
        project = new_project()
        memories = many_memories(project)
        await index.apply([row_of(memory, number) for number, memory in enumerate(memories, 1)])
        yield index, project, memories


@pytest.mark.asyncio(loop_scope="module")
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(filter_=FILTERS)
async def test_an_index_selects_what_the_oracle_selects(
    filled: tuple[MilvusIndex, str, list[Memory]], filter_: Filter
) -> None:
    index, project, memories = filled
    check(filter_)
    expected = {memory.id for memory in memories if oracle(filter_, memory)}
    hits = await index.search_dense(Selection(project, filter=filter_), unit_vector(0), 1000)
    assert {hit.memory_id for hit in hits} == expected
    hits = await index.search_keyword(Selection(project, filter=filter_), ["common"], 1000)
    assert {hit.memory_id for hit in hits} == expected


@settings(max_examples=400, deadline=None)
@given(filter_=FILTERS)
def test_plain_python_decides_as_the_oracle_does(filter_: Filter) -> None:
    for memory in many_memories("project"):
        assert matches(filter_, memory) == oracle(filter_, memory)


@pytest.mark.parametrize(
    "wrong",
    [
        Comparison("no_such_field", Op.EQ, ("x",)),
        Comparison("metadata.", Op.EQ, ("x",)),
        Comparison("metadata.a..b", Op.EQ, ("x",)),
        Comparison("user_id", Op.EQ, (1.0,)),
        Comparison("event_time", Op.GT, ("2024-01-01",)),
        Comparison("event_time", Op.CONTAINS, (EPOCH,)),
        Comparison("categories", Op.GT, ("work",)),
        Comparison("metadata.n", Op.EQ, (float("nan"),)),
        Comparison("metadata.n", Op.EQ, ()),
        Comparison("metadata.n", Op.EXISTS, ("yes",)),
        Comparison("user_id", Op.IN, tuple(str(number) for number in range(1001))),
        And(tuple(Comparison("user_id", Op.EQ, ("x",)) for _ in range(257))),
    ],
)
def test_what_cannot_be_asked_is_refused(wrong: Filter) -> None:
    with pytest.raises(InvalidArgument):
        check(wrong)


def test_nesting_past_the_bound_is_refused() -> None:
    deep: Filter = Comparison("user_id", Op.EQ, ("x",))
    for _ in range(15):
        deep = Not(deep)
    check(deep)
    with pytest.raises(InvalidArgument):
        check(Not(deep))


@given(filter_=FILTERS, user=TEXTS, project=TEXTS)
def test_no_filter_gets_past_project_and_scope(filter_: Filter, user: str, project: str) -> None:
    compiled = compile_selection(
        Selection(project, Scope(user_id=user), filter_), json_paths=True, partitioned=False
    ).expression
    depth = 0
    outside_quotes = True
    escaped = False
    for character in compiled:
        if escaped:
            escaped = False
        elif not outside_quotes and character == "\\":
            escaped = True
        elif character == "'":
            outside_quotes = not outside_quotes
        elif outside_quotes:
            depth += {"(": 1, ")": -1}.get(character, 0)
            assert depth >= 0
    assert outside_quotes and depth == 0
