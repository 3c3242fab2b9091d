"""What tests of the record share: a clock that stands still, memories to store, short ways to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Actor, Memory, Version
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, RequestKey

PROJECT = "project-one"
OTHER_PROJECT = "project-two"
ALL = Access(PROJECT)
ANA = Scope(user_id="ana")
BO = Scope(user_id="bo")
ACTOR = Actor(key_id="key-1", operation="AddMemories")


class TestClock:
    """Tells the time it was given, one millisecond later each time it is asked."""

    __test__ = False

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def advance(self, **difference: float) -> None:
        """Let time pass."""
        self.now += timedelta(**difference)


def memory(text: str, scope: Scope = ANA, **fields: Any) -> Memory:
    """A memory to be added."""
    return Memory(id=fields.pop("id", None) or new_id(), project_id="", scope=scope, text=text, **fields)


async def add(record: Record, *memories: Memory, access: Access = ALL) -> list[Memory]:
    """Add memories in one write; the memories as stored."""
    async with record.write(access, ACTOR) as write:
        return [write.add(one).memory for one in memories]


async def add_texts(record: Record, texts: Sequence[str], scope: Scope = ANA) -> list[Memory]:
    """Add memories with these texts, one write each."""
    return [(await add(record, memory(text, scope)))[0] for text in texts]


async def delete(record: Record, memory_id: str, access: Access = ALL) -> Version:
    """Delete a memory."""
    async with record.write(access, ACTOR) as write:
        await write.current([memory_id])
        return write.delete(memory_id)


async def rewrite(record: Record, memory_id: str, text: str, access: Access = ALL) -> Version:
    """Change a memory's text."""
    async with record.write(access, ACTOR) as write:
        before = (await write.current([memory_id]))[memory_id]
        return write.update(replace(before, text=text))


async def erase(record: Record, *memory_ids: str, access: Access = ALL) -> None:
    """Erase memories in any state."""
    async with record.write(access, ACTOR) as write:
        for one in await write.load(memory_ids):
            write.erase(one.id)


def request(request_id: str = "request-1", body: str = "body-1", method: str = "AddMemories") -> RequestKey:
    """Names a client's request."""
    return RequestKey(request_id, method, body)
