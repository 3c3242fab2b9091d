"""Odd memories, any filter, and an oracle of what filters mean that shares no code with the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from mnemon_service.model.case_folding import fold
from mnemon_service.model.filter import And, Comparison, Filter, Not, Op, Or
from mnemon_service.model.memory import EventTime, Memory, MemoryType
from mnemon_service.model.scope import Scope
from support.index_rows import row

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
WORDS = [
    "",
    "work",
    "Work",
    "WORK ",
    "wo%rk",
    "w_rk",
    "o'neill",
    '"',
    "\\",
    "\\'",
    "a\nb",
    "日本",
    "İstanbul",
    "ΣΟΦΟΣ",
    "σοφος",
]
INJECTIONS = [
    "' or id != '",
    "%' or '1'=='1",
    "\x1fwork\x1f",
    "*/",
    "]",
    "null",
    "true",
    "\t\r",
    "\U0001f600",
    "\uffff",
]
TEXTS = st.sampled_from(WORDS + INJECTIONS)
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 2.5, 1e15, -3.0])
TIMES = st.sampled_from([EPOCH + timedelta(days=days) for days in (-20000, -1, 0, 1, 2)])
METADATA: list[dict[str, Any]] = [
    {},
    {"n": 1, "s": "work", "b": True, "l": ["work", 1, None], "d": {"n": 2.5, "s": "o'neill"}},
    {"n": 1.0, "s": "Work", "b": False, "l": [], "d": {}},
    {"n": None, "s": "", "b": None, "l": None, "d": None},
    {"n": "1", "s": 1, "b": "true", "l": "work", "d": "work"},
    {"n": True, "s": ["work"], "b": 1, "l": {"work": 1}, "d": [1]},
    {"n": -3, "s": "wo%rk", "b": 0, "l": [True, False], "d": {"n": {"deep": 1}, "s": None}},
    {"n": 1e15, "s": "日本", "l": ["日本", "o'neill", 2.5], "d": {"n": -1, "s": "\\'"}},
    {"n": 0, "s": "a\nb", "l": [["work"]], "d": {"s": "ΣΟΦΟΣ"}},
    {"s": "' or id != '", "l": ["' or id != '"], "d": {"s": "İstanbul"}},
]
PATHS = [
    "metadata.n",
    "metadata.s",
    "metadata.b",
    "metadata.l",
    "metadata.d",
    "metadata.d.n",
    "metadata.d.s",
    "metadata.no.such",
]
STRINGS = ["user_id", "agent_id", "app_id", "run_id", "attributed_to", "type"]
CLOCKS = ["event_time", "expire_time", "create_time", "update_time"]
ORDERED = [Op.GT, Op.GTE, Op.LT, Op.LTE]


def many_memories(project: str) -> list[Memory]:
    """Every word, time and metadata at least once, in changing company."""
    words = WORDS + INJECTIONS
    made = []
    for number in range(1, 61):
        day = EPOCH + timedelta(days=number % 4 - 1)
        made.append(
            Memory(
                id=row(project, number).memory_id,
                project_id=project,
                scope=Scope(
                    user_id=words[number % len(words)] or "ana",
                    agent_id=words[number * 7 % len(words)],
                    run_id="run" if number % 2 else "",
                ),
                text="",
                type=list(MemoryType)[number % 3],
                categories=tuple(
                    filter(None, (words[number * 3 % len(words)], words[number * 5 % len(words)]))
                )[: number % 3],
                metadata=METADATA[number % len(METADATA)],
                attributed_to=words[number * 11 % len(words)],
                event_time=None if number % 5 == 0 else EventTime(day),
                expire_time=None if number % 3 else day + timedelta(days=1),
                create_time=EPOCH - timedelta(days=20000) if number % 9 == 0 else day,
                update_time=day,
            )
        )
    return made


# The oracle: written from the words of `model/filter.py`, over plain dicts.


def oracle(filter_: Filter, memory: Memory) -> bool:
    if isinstance(filter_, And):
        return not [part for part in filter_.filters if not oracle(part, memory)]
    if isinstance(filter_, Or):
        return bool([part for part in filter_.filters if oracle(part, memory)])
    if isinstance(filter_, Not):
        return not oracle(filter_.filter, memory)
    return compared(filter_.op.name, field_of(memory, filter_.field), filter_.values)


def compared(name: str, value: Any, wanted: tuple[Any, ...]) -> bool:
    if name == "EXISTS":
        return bool((value is not None) == wanted[0])
    if name in ("NE", "NOT_IN"):
        return value is None or all(not same(value, one) for one in wanted)
    if value is None:
        return False
    if name in ("EQ", "IN"):
        return any(same(value, one) for one in wanted)
    return compared_with_one(name, value, wanted[0])


def compared_with_one(name: str, value: Any, one: Any) -> bool:
    if name in ("GT", "GTE", "LT", "LTE"):
        return (
            kind(value) == kind(one) and kind(one) in ("number", "time", "text") and ordered(name, value, one)
        )
    if name == "CONTAINS" and isinstance(value, list):
        return any(same(element, one) for element in value)
    if not (isinstance(value, str) and isinstance(one, str)):
        return False
    if name == "CONTAINS":
        return value.find(one) >= 0
    if name == "ICONTAINS":
        return fold(value).find(fold(one)) >= 0
    return value[: len(one)] == one


def field_of(memory: Memory, name: str) -> Any:
    if name.startswith("metadata."):
        value: Any = memory.metadata
        for key in name.split(".")[1:]:
            value = value.get(key) if isinstance(value, dict) else None
        return value
    if name.endswith("_id"):
        return getattr(memory.scope, name) or None
    if name == "event_time":
        return memory.event_time.time if memory.event_time else None
    if name == "categories":
        return list(memory.categories) if memory.categories else None
    value = getattr(memory, name)
    return (value.value if isinstance(value, MemoryType) else value) or None


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, datetime):
        return "time"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "none"


def same(value: Any, one: Any) -> bool:
    return bool(kind(value) == kind(one) != "none" and value == one)


def ordered(name: str, value: Any, one: Any) -> bool:
    return bool({"GT": value > one, "GTE": value >= one, "LT": value < one, "LTE": value <= one}[name])


def comparisons() -> st.SearchStrategy[Filter]:
    def build(
        field: st.SearchStrategy[str], ops: list[Op], values: st.SearchStrategy[Any]
    ) -> st.SearchStrategy[Filter]:
        single = st.builds(lambda f, o, v: Comparison(f, o, (v,)), field, st.sampled_from(ops), values)
        several = st.builds(
            lambda f, o, v: Comparison(f, o, tuple(v)),
            field,
            st.sampled_from([Op.IN, Op.NOT_IN]),
            st.lists(values, max_size=4),
        )
        return single | several

    equal, texts = [Op.EQ, Op.NE], [Op.CONTAINS, Op.ICONTAINS, Op.STARTS_WITH]
    exists = st.builds(
        lambda f, v: Comparison(f, Op.EXISTS, (v,)),
        st.sampled_from(STRINGS + CLOCKS + PATHS + ["categories"]),
        st.booleans(),
    )
    return st.one_of(
        build(st.sampled_from(STRINGS), equal + ORDERED + texts, TEXTS),
        build(st.sampled_from(CLOCKS), equal + ORDERED, TIMES),
        build(st.just("categories"), [*equal, Op.CONTAINS], TEXTS),
        build(st.sampled_from(PATHS), equal + ORDERED + texts, TEXTS),
        build(st.sampled_from(PATHS), [*equal, *ORDERED, Op.CONTAINS], NUMBERS),
        build(st.sampled_from(PATHS), [*equal, Op.CONTAINS], st.booleans()),
        build(st.sampled_from(PATHS), equal + ORDERED, TIMES),
        exists,
    )


FILTERS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)
