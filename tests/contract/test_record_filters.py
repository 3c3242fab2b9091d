"""A filter means the same in SQLite, in PostgreSQL and in plain Python written for this test alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemon_service.model.errors import InvalidArgument, Reason
from mnemon_service.model.filter import And, Comparison, Filter, Not, Op, Or
from mnemon_service.model.filter_matching import check, matches
from mnemon_service.model.memory import EventTime, Memory, MemoryType
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Selection
from support.postgres import PostgresServer
from support.records import ALL, PROJECT, add, memory

MORNING = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ["", "a", "A", "ab", "Ünï", "ünÏ", "ΣΑΣ", "σας", "İstanbul", "100%", "_", "it's", '"', "\\", "a\nb"]
WORDS += ["日本", "🌊", "ﬀ", "ß", "ẞ", "'; DROP TABLE memories --", "\x7f", "null", "1", "true"]
NUMBERS = [0.0, 1.0, -1.0, 1.5, 0.1, 1e22, -1e-7, 2.0**53, 5e-324, 1.7976931348623157e308]
KEYS = ["k", "n", 'q"', "b\\s", "line\n", "ü", "0", "a b", "'"]

scalars = st.one_of(
    st.sampled_from(WORDS), st.sampled_from(NUMBERS), st.booleans(), st.sampled_from([1, 0, 3, -2])
)
values = st.recursive(
    st.none() | scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
times = st.integers(0, 3).map(lambda hours: MORNING + timedelta(hours=hours))


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    event = draw(st.none() | times)
    return memory(
        "text",
        Scope(
            user_id="ana", agent_id=draw(st.sampled_from(WORDS[:7])), run_id=draw(st.sampled_from(["", "r"]))
        ),
        type=draw(st.sampled_from(MemoryType)),
        categories=tuple(draw(st.lists(st.sampled_from(WORDS), max_size=3))),
        metadata=draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=4)),
        attributed_to=draw(st.sampled_from(WORDS)),
        event_time=event and EventTime(event),
        expire_time=draw(st.none() | times.map(lambda time: time + timedelta(days=4000))),
    )


ORDERED = [Op.GT, Op.GTE, Op.LT, Op.LTE]
SINGLE = [Op.EQ, Op.NE, *ORDERED, Op.CONTAINS, Op.ICONTAINS, Op.STARTS_WITH]


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    field = draw(
        st.sampled_from(
            ["attributed_to", "agent_id", "run_id", "type", "categories", "event_time", "expire_time"]
        )
        | st.lists(st.sampled_from(KEYS), min_size=1, max_size=2).map(
            lambda path: "metadata." + ".".join(path)
        )
    )
    if draw(st.integers(0, 9)) == 0:
        return Comparison(field, Op.EXISTS, (draw(st.booleans()),))
    if field.endswith("_time"):
        value: st.SearchStrategy[Any] = times | times.map(lambda time: time + timedelta(days=4000))
        single, lists = [Op.EQ, Op.NE, *ORDERED], [Op.IN, Op.NOT_IN]
    elif field == "categories":
        value, single, lists = st.sampled_from(WORDS), [Op.EQ, Op.NE, Op.CONTAINS], [Op.IN, Op.NOT_IN]
    elif field.startswith("metadata."):
        value = scalars.map(lambda one: float(one) if type(one) is int else one) | times
        single, lists = SINGLE, [Op.IN, Op.NOT_IN]
    else:
        value, single, lists = st.sampled_from([*WORDS, "SEMANTIC"]), SINGLE, [Op.IN, Op.NOT_IN]
    if draw(st.integers(0, 4)) == 0:
        return Comparison(field, draw(st.sampled_from(lists)), tuple(draw(st.lists(value, max_size=3))))
    op, one = draw(st.sampled_from(single)), draw(value)
    if op in (Op.ICONTAINS, Op.STARTS_WITH) and not isinstance(one, str):
        op = Op.EQ
    if op in ORDERED and isinstance(one, bool):
        op = Op.NE
    return Comparison(field, op, (one,))


filters = st.recursive(
    comparisons(),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts)))
        | st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=6,
)


def oracle(node: Filter, stored: Memory) -> bool:
    """The filter's meaning, written from the words of `model/filter.py` and nothing else."""
    if isinstance(node, And):
        return all(oracle(part, stored) for part in node.filters)
    if isinstance(node, Or):
        return any(oracle(part, stored) for part in node.filters)
    if isinstance(node, Not):
        return not oracle(node.filter, stored)
    return _oracle_of_one(node, _found(node, stored))


def _oracle_of_one(node: Comparison, found: Any) -> bool:
    wanted: Any = node.values[0] if node.values else None
    there = found is not None
    if node.op is Op.EXISTS:
        return there == node.value
    if node.op in (Op.EQ, Op.IN, Op.NE, Op.NOT_IN):
        scalar = there and not isinstance(found, list)
        same = scalar and any(type(found) is type(value) and found == value for value in node.values)
        return same == (node.op in (Op.EQ, Op.IN))
    if isinstance(found, list):
        elements = [_plain(one) for one in found]
        return node.op is Op.CONTAINS and any(
            type(one) is type(node.value) and one == node.value for one in elements
        )
    if not there or type(found) is not type(node.value):
        return False
    if node.op in ORDERED:
        less, same = found < wanted, found == wanted
        answers = {Op.GT: not less and not same, Op.GTE: not less, Op.LT: less, Op.LTE: less or same}
        return bool(answers[node.op])
    return isinstance(found, str) and _holds(node.op, found, str(node.value))


def _holds(op: Op, text: str, part: str) -> bool:
    if op is Op.CONTAINS:
        return part in text
    if op is Op.STARTS_WITH:
        return text[: len(part)] == part
    return "".join(c.lower()[0] for c in part) in "".join(c.lower()[0] for c in text)


def _plain(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _found(node: Comparison, stored: Memory) -> Any:
    if node.field.startswith("metadata."):
        value: Any = stored.metadata
        for key in node.field.removeprefix("metadata.").split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return _plain(value)
    if node.field == "categories":
        return list(stored.categories) or None
    if node.field == "event_time":
        return stored.event_time.time if stored.event_time else None
    if node.field in ("user_id", "agent_id", "app_id", "run_id"):
        return getattr(stored.scope, node.field) or None
    if node.field == "type":
        return stored.type.value
    return getattr(stored, node.field) or None


@pytest.fixture
async def both(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[tuple[Record, Record]]:
    """A record on each database."""
    name = await postgres_server.create_database()
    opened = (await Record.open(tmp_path / "mnemon.db"), await Record.open(postgres_server.url(name)))
    for record in opened:
        await record.projects.create(PROJECT)
    yield opened
    for record in opened:
        await record.close()
    await postgres_server.drop_database(name)


async def test_filters_mean_the_same_everywhere(both: tuple[Record, Record]) -> None:
    stored: list[Memory] = []

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(memories(), min_size=20, max_size=20))
    def collect(some: list[Memory]) -> None:
        stored.extend(some)

    examples: list[Filter] = []

    @settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(filters)
    def gather(one: Filter) -> None:
        examples.append(one)

    collect()
    gather()
    stored = list({one.id: one for one in stored}.values())[:200]
    for record in both:
        for start in range(0, len(stored), 100):
            await add(record, *stored[start : start + 100])
    chosen = 0
    for node in examples:
        check(node)
        expected = {one.id for one in stored if oracle(node, one)}
        chosen += 0 < len(expected) < len(stored)
        for record in both:
            found = await record.memories.hydrate(ALL, [one.id for one in stored], Selection(filter=node))
            assert set(found) == expected, node
        assert {one.id for one in stored if matches(node, one)} == expected, node
    assert chosen > 60, "too few filters that choose some and leave some"


@pytest.mark.parametrize(
    ("comparison", "reason"),
    [
        (Comparison("attributed_to", Op.EQ, (1.0,)), Reason.FILTER_TYPE_MISMATCH),
        (Comparison("event_time", Op.GT, ("x",)), Reason.FILTER_TYPE_MISMATCH),
        (Comparison("text", Op.EQ, ("x",)), Reason.INVALID_FIELD),
        (Comparison("project_id", Op.EQ, ("x",)), Reason.INVALID_FIELD),
        (Comparison("metadata.k", Op.EQ, ("\x00",)), Reason.INVALID_FIELD),
        (Comparison("metadata.\x00", Op.EQ, ("x",)), Reason.INVALID_FIELD),
    ],
)
async def test_an_impossible_filter_is_refused(
    record: Record, comparison: Comparison, reason: Reason
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await record.memories.count(ALL, Selection(filter=comparison))
    assert refused.value.reason is reason


async def test_the_largest_filter_works(record: Record) -> None:
    await add(record, memory("one", metadata={"k": "v999"}))
    wide = Comparison("metadata.k", Op.IN, tuple(f"v{number}" for number in range(1000)))
    deep: Filter = Or(tuple(wide for _ in range(240)))
    for _ in range(14):
        deep = Not(deep)
    many = And(tuple(Comparison("metadata.k", Op.STARTS_WITH, ("v",)) for _ in range(255)))
    for node in (wide, deep, many):
        assert await record.memories.count(ALL, Selection(filter=node)) == 1
