"""Files of memories are read in every form that users have, and written so that they can be read again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mnemon import (
    Entity,
    EventTime,
    EventTimePrecision,
    ImportRow,
    InvalidArgumentError,
    Memory,
    MemoryType,
    Scope,
)
from mnemon.jsonl import read_rows, write_line

WHEN = datetime(2026, 5, 7, 12, tzinfo=UTC)


def rows(*lines: Any) -> list[ImportRow]:
    return list(read_rows(line if isinstance(line, str) else json.dumps(line) for line in lines))


@pytest.mark.parametrize("name", ["text", "memory", "content", "data"])
def test_the_statement_may_have_any_of_its_names(name: str) -> None:
    assert [row.text for row in rows({name: "Ana eats fish."})] == ["Ana eats fish."]


def test_lines_are_numbered_and_empty_ones_passed_over() -> None:
    assert [row.row for row in rows({"text": "a"}, "", "  \n", {"text": "b"})] == [1, 4]


def test_a_line_of_mem0_keeps_its_id_and_times() -> None:
    (row,) = rows(
        {
            "id": "m-1",
            "hash": "h",
            "memory": "Ana eats fish.",
            "user_id": "ana",
            "agent_id": None,
            "metadata": {"tier": "gold"},
            "categories": ["food"],
            "created_at": "2026-05-07T12:00:00+00:00",
            "updated_at": None,
            "expiration_date": "2027-01-01",
            "memory_type": "procedural_memory",
        }
    )
    assert row.scope == Scope(user_id="ana")
    assert row.metadata == {"tier": "gold", "mem0_id": "m-1", "mem0_hash": "h"}
    assert row.create_time == WHEN
    assert row.expire_time == datetime(2027, 1, 1, tzinfo=UTC)
    assert row.type is MemoryType.PROCEDURAL


def test_mem0s_whole_answers_and_arrays_are_read_too() -> None:
    results = json.dumps({"results": [{"memory": "a"}, {"memory": "b"}]})
    assert [row.text for row in rows(results)] == ["a", "b"]
    pretty = json.dumps([{"memory": "a"}, {"memory": "b"}], indent=2).splitlines(keepends=True)
    assert [row.text for row in rows(*pretty)] == ["a", "b"]
    pretty = json.dumps({"results": [{"memory": "a"}]}, indent=2).splitlines(keepends=True)
    assert [row.text for row in rows(*pretty)] == ["a"]


def test_what_was_exported_can_be_imported() -> None:
    memory = Memory(
        id="m1",
        text="Ana moved “home”.",
        scope=Scope(user_id="ana", run_id="r"),
        type=MemoryType.EPISODIC,
        categories=("home",),
        metadata={"tier": "gold", "deep": {"n": 1}},
        attributed_to="Ana",
        event_time=EventTime(time=WHEN, precision=EventTimePrecision.DAY),
        create_time=WHEN,
        version=1,
        entities=(Entity(name="Ana", type="PERSON"),),
    )
    line = write_line(memory)
    assert "\n" not in line
    (row,) = rows(line)
    assert row == ImportRow(
        row=1,
        text=memory.text,
        scope=memory.scope,
        type=memory.type,
        categories=memory.categories,
        metadata=memory.metadata,
        attributed_to="Ana",
        event_time=memory.event_time,
        create_time=WHEN,
        entities=memory.entities,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        "not json",
        '"a string"',
        {"text": ""},
        {"id": "m1"},
        {"text": "x", "created_at": "yesterday"},
        {"text": "x", "type": "factual"},
        {"text": "x", "event_time": {"precision": "DAY"}},
        {"text": "x", "scope": {"user": "ana"}},
    ],
)
def test_a_wrong_line_is_named(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        rows({"text": "fine"}, wrong)
    assert caught.value.violations[0].field == "line 2"


def test_an_empty_file_has_no_rows() -> None:
    assert rows() == []
    assert rows("", "\n") == []
