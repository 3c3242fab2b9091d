"""What a request's filter means on a real record is what it means in plain Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from mnemon.v1 import filter_pb2
from mnemon_service.model.filter import Filter
from mnemon_service.model.filter_matching import matches
from mnemon_service.model.memory import EventTime, MemoryType
from mnemon_service.model.scope import Scope
from mnemon_service.record.selection import Selection
from mnemon_service.wire.filters import from_filter
from support.memory_world import MemoryWorld, memory_world
from support.records import ALL, add, memory
from support.wire_filters import NUMBERS, TEXTS, right_filters

MORNING = datetime(2026, 5, 7, tzinfo=UTC)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryWorld]:
    async with memory_world(tmp_path) as made:
        yield made


async def test_every_filter_that_is_accepted_selects_what_it_means(world: MemoryWorld) -> None:
    odd: list[Any] = [None, True, False, [1, "a", True], {"n": "a", "a b": 1.5}]
    texts = [text for text in TEXTS if "\x00" not in text]
    values = [*odd, *texts, *(number for number in NUMBERS if abs(number) < float("inf"))]
    made = [
        memory(
            f"memory {place}",
            Scope(user_id="ana", agent_id=("", "a", "A")[place % 3], run_id=("", "Ünï")[place % 2]),
            metadata={"k": value, "n": {"k": value}} if place % 5 else {},
            categories=("a", "100%")[: place % 3],
            attributed_to=("", "a", "SEMANTIC")[place % 3],
            type=list(MemoryType)[place % 3],
            event_time=EventTime(MORNING) if place % 2 else None,
        )
        for place, value in enumerate(values)
    ]
    stored = await add(world.record, *made)
    accepted: list[Filter] = []

    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(right_filters)
    def gather(message: filter_pb2.Filter) -> None:
        accepted.append(from_filter(message))

    gather()
    chosen = 0
    for one in accepted:
        found = await world.record.memories.hydrate(ALL, [each.id for each in stored], Selection(filter=one))
        expected = {each.id for each in stored if matches(one, each)}
        assert set(found) == expected, one
        chosen += 0 < len(expected) < len(stored)
    assert chosen > 60, "too few filters that choose some and leave some"
