"""Files of memories, one JSON object a line: read for an import, written by an export.

    with open("memories.jsonl", encoding="utf-8") as lines, Client() as client:
        client.import_memories(read_rows(lines), user_id="ana")

A line that `read_rows` understands has the statement under `text`, `memory` or `content`, and may have what
`ImportRow` has: `user_id`, `agent_id`, `app_id`, `run_id` (or `scope`), `type`, `categories`, `metadata`,
`attributed_to`, `event_time`, `expire_time`, `create_time`, `entities`. Exports of mem0 (`id`, `memory`,
`created_at`, `expiration_date` …) are understood as they are; their id and hash go into the metadata as
`mem0_id` and `mem0_hash`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from mnemon._convert import enums
from mnemon._errors import InvalidArgumentError
from mnemon._types import Entity, EventTime, EventTimePrecision, ImportRow, Memory, Scope
from mnemon._values import parse_time

TEXT_NAMES = ("text", "memory", "content", "data")
SCOPE_NAMES = ("user_id", "agent_id", "app_id", "run_id")
MEMORY_TYPES = {
    "semantic_memory": "SEMANTIC",
    "episodic_memory": "EPISODIC",
    "procedural_memory": "PROCEDURAL",
}
"""mem0's names of the types."""


def read_rows(lines: Iterable[str]) -> Iterator[ImportRow]:
    """The rows of a file, numbered by line; empty lines are passed over.

    A file that is one JSON array, or mem0's `{"results": [...]}`, is understood too, if its first character
    says so and it is given line by line.

    Raises:
        InvalidArgumentError: A line is no JSON object, or holds no statement; `violations` names the line.
    """
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    first = next(numbered, None)
    if first is None:
        return
    if _is_whole(first[1]):
        yield from _read_whole(first[1] + "".join(line for _, line in numbered))
        return
    yield read_row(_parse(*first), first[0])
    for number, line in numbered:
        yield read_row(_parse(number, line), number)


def read_row(values: Mapping[str, Any], number: int = 0) -> ImportRow:
    """The row of one JSON object; `number` is its line, for reports of what was refused."""
    try:
        return _row(values, number)
    except (InvalidArgumentError, TypeError, ValueError, AttributeError) as error:
        text = error.message if isinstance(error, InvalidArgumentError) else str(error)
        raise InvalidArgumentError.of(f"line {number}", text) from None


def write_line(memory: Memory) -> str:
    """A memory as one line of JSON, which `read_rows` understands again."""
    values = memory.to_dict()
    values |= values.pop("scope", {})
    return json.dumps(values, ensure_ascii=False, separators=(", ", ": "))


def _is_whole(first_line: str) -> bool:
    start = first_line.lstrip()
    if start.startswith("["):
        return True
    if not start.startswith("{"):
        return False
    try:
        value = json.loads(start)
    except ValueError:
        return True
    return isinstance(value, dict) and set(value) >= {"results"} and isinstance(value["results"], list)


def _read_whole(text: str) -> Iterator[ImportRow]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError.of("line 1", f"not JSON: {error}") from None
    items = value.get("results", [value]) if isinstance(value, dict) else value
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise InvalidArgumentError.of(f"line {number}", "not a JSON object")
        yield read_row(item, number)


def _parse(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise InvalidArgumentError.of(f"line {number}", f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidArgumentError.of(f"line {number}", "not a JSON object")
    return value


def _row(values: Mapping[str, Any], number: int) -> ImportRow:
    text = next((values[name] for name in TEXT_NAMES if isinstance(values.get(name), str)), "")
    if not text:
        raise InvalidArgumentError.of("text", f"give the statement under one of {', '.join(TEXT_NAMES)}")
    return ImportRow(
        row=number,
        text=text,
        scope=_scope(values),
        type=enums.MEMORY_TYPE.word(_type(values)),
        categories=tuple(values.get("categories") or ()),
        metadata=_metadata(values),
        attributed_to=str(values.get("attributed_to") or ""),
        event_time=_event_time(values.get("event_time")),
        expire_time=_time(values, "expire_time", "expiration_date"),
        create_time=_time(values, "create_time", "created_at"),
        entities=tuple(_entity(entity) for entity in values.get("entities") or ()),
    )


def _scope(values: Mapping[str, Any]) -> Scope | None:
    ids = {
        **(values.get("scope") or {}),
        **{name: values.get(name) for name in SCOPE_NAMES if values.get(name)},
    }
    return Scope(**ids) if ids else None


def _type(values: Mapping[str, Any]) -> str:
    name = str(values.get("type") or values.get("memory_type") or "UNSPECIFIED")
    return MEMORY_TYPES.get(name, name)


def _metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    metadata = dict(values.get("metadata") or {})
    for name in ("id", "hash"):
        # What Mnemon itself exported says how it came to be; mem0's lines do not.
        if values.get(name) and "memory" in values and "version" not in values:
            metadata.setdefault(f"mem0_{name}", values[name])
    return metadata


def _time(values: Mapping[str, Any], *names: str) -> datetime | None:
    given = next((values[name] for name in names if values.get(name)), None)
    return None if given is None else parse_time(str(given))


def _event_time(given: Any) -> EventTime | None:  # noqa: ANN401
    if not given:
        return None
    if isinstance(given, str):
        return EventTime(time=parse_time(given), precision=EventTimePrecision.INSTANT)
    end = given.get("end_time")
    return EventTime(
        time=parse_time(str(given.get("time") or "")),
        precision=enums.EVENT_TIME_PRECISION.word(given.get("precision") or "UNSPECIFIED"),
        end_time=parse_time(end) if end else None,
    )


def _entity(given: Any) -> Entity:  # noqa: ANN401
    return Entity(name=given) if isinstance(given, str) else Entity(**given)
