"""Calls and streams at once, counted in the record for all replicas together."""

from __future__ import annotations

import asyncio

import pytest

from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import Reason, ResourceExhausted
from mnemon_service.model.settings import Limits
from mnemon_service.record.record import Record
from mnemon_service.server.limiter import Limiter
from mnemon_service.server.quotas import Quotas
from mnemon_service.server.rates import Subject
from mnemon_service.server.shared_places import FULL_SECONDS, IDLE_SECONDS, SharedPlaces
from support.records import OTHER_PROJECT, PROJECT, TestClock

CALLS = (PROJECT, "", "calls")


@pytest.fixture
def replicas(records: list[Record], clock: TestClock) -> list[SharedPlaces]:
    return [SharedPlaces(record.place_leases, now=lambda: clock.now.timestamp()) for record in records]


async def enters(places: SharedPlaces, limit: int, at: tuple[str, str, str] = CALLS) -> bool:
    """True if there was a place."""
    try:
        await places.enter(Subject("project"), at, limit)
    except ResourceExhausted as refused:
        assert refused.reason is Reason.TOO_MANY_CONCURRENT_CALLS
        assert refused.metadata == {"limit": f"project.concurrent_{at[2]}"}
        return False
    return True


async def fill(places: SharedPlaces, limit: int) -> int:
    """Takes all places that a replica can get; how many."""
    count = 0
    while await enters(places, limit):
        count += 1
    return count


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_replicas_together_never_open_more_than_the_limit(
    replicas: list[SharedPlaces], limit: int
) -> None:
    answers = await asyncio.gather(*(enters(replicas[turn % 2], limit) for turn in range(3 * limit)))
    # What one replica leased and does not use, a twentieth, is the most that lies idle.
    assert limit - max(1, limit // 20) <= sum(answers) <= limit


async def test_one_replica_alone_has_every_place(replicas: list[SharedPlaces]) -> None:
    assert await fill(replicas[0], 30) == 30
    assert await fill(replicas[1], 30) == 0


async def test_a_place_that_is_left_is_taken_again(replicas: list[SharedPlaces]) -> None:
    assert await fill(replicas[0], 3) == 3
    replicas[0].leave(CALLS)
    assert await enters(replicas[0], 3)
    assert not await enters(replicas[0], 3)


async def test_what_one_replica_needs_no_more_another_gets(
    replicas: list[SharedPlaces], clock: TestClock
) -> None:
    first, second = replicas
    for _ in range(await fill(first, 40)):
        first.leave(CALLS)
    assert await fill(second, 40) == 0
    await first.tidy()  # a twentieth stays, for the next call
    clock.advance(seconds=2 * FULL_SECONDS)
    assert await fill(second, 40) == 38
    clock.advance(seconds=IDLE_SECONDS + 1)
    await first.tidy()
    assert await fill(second, 40) == 2


async def test_a_replica_that_stops_gives_its_places_back(
    replicas: list[SharedPlaces], clock: TestClock
) -> None:
    assert await fill(replicas[0], 5) == 5
    await replicas[0].stop()
    assert await fill(replicas[1], 5) == 5


async def test_the_places_of_a_dead_replica_lapse(replicas: list[SharedPlaces], clock: TestClock) -> None:
    first, second = replicas
    assert await fill(first, 5) == 5
    clock.advance(seconds=14)
    assert await fill(second, 5) == 0
    await first.tidy()  # it lives
    clock.advance(seconds=14)
    assert await fill(second, 5) == 0
    clock.advance(seconds=2)
    assert await fill(second, 5) == 5


async def test_a_full_project_asks_no_database_for_each_refusal(
    records: list[Record], replicas: list[SharedPlaces]
) -> None:
    assert await fill(replicas[0], 2) == 2
    assert await fill(replicas[1], 2) == 0
    await records[1].close()
    assert not await enters(replicas[1], 2)


async def test_subjects_and_kinds_are_counted_apart(replicas: list[SharedPlaces]) -> None:
    first, second = replicas
    assert await fill(first, 1) == 1
    for at in ((PROJECT, "", "streams"), (PROJECT, "key-1", "calls"), (OTHER_PROJECT, "", "calls")):
        assert await enters(second, 1, at)
    assert not await enters(second, 0, (PROJECT, "key-2", "calls"))


async def test_calls_at_two_replicas_are_limited_together(records: list[Record], clock: TestClock) -> None:
    limiters = [
        Limiter(
            record.settings,
            Quotas(record, clock=clock),
            project_defaults=Limits(concurrent_calls=3),
            shared_places=SharedPlaces(record.place_leases, now=lambda: clock.now.timestamp()),
        )
        for record in records
    ]
    call = Call("MemoryService/GetMemory", Caller(PROJECT, KeyRole.READER), "r", None)
    held = []
    for turn in range(3):
        place = limiters[turn % 2].admitted(call, streaming=False)
        await place.__aenter__()
        held.append(place)
    for limiter in limiters:
        with pytest.raises(ResourceExhausted, match="3 calls at once"):
            await limiter.admitted(call, streaming=False).__aenter__()
    await held[0].__aexit__(None, None, None)
    async with limiters[0].admitted(call, streaming=False):
        pass
