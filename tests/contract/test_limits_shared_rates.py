"""Requests a second, counted in the record for all replicas together."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import Reason, ResourceExhausted
from mnemon_service.model.settings import Limits
from mnemon_service.record.record import Record
from mnemon_service.server.limiter import Limiter
from mnemon_service.server.quotas import Quotas
from mnemon_service.server.rate_leases import RateLeases
from mnemon_service.server.rates import Subject
from support.records import OTHER_PROJECT, PROJECT, TestClock


@pytest.fixture
def replicas(records: list[Record], clock: TestClock) -> list[RateLeases]:
    return [RateLeases(record.rate_buckets, now=lambda: clock.now.timestamp()) for record in records]


async def wait_of(leases: RateLeases, rate: float, key: str = "", project_id: str = PROJECT) -> float:
    """0 if a request is admitted, else the seconds that the caller is told to wait."""
    subject = Subject("key" if key else "project")
    try:
        await leases.take(subject, project_id, key, rate)
    except ResourceExhausted as refused:
        assert refused.reason is Reason.RATE_LIMITED
        assert refused.metadata["limit"].endswith(".requests_per_second")
        assert refused.retry_after is not None
        assert refused.retry_after > 0
        return refused.retry_after
    return 0.0


async def admitted(replicas: list[RateLeases], rate: float, attempts: int) -> int:
    """Of so many attempts at once, in turn at each replica."""
    waits = await asyncio.gather(*(wait_of(replicas[turn % len(replicas)], rate) for turn in range(attempts)))
    return waits.count(0.0)


def filled(rate: float, since: datetime, clock: TestClock) -> float:
    """What flowed into a bucket since then: the clock moves on whenever it is looked at."""
    return rate * (clock.now - since).total_seconds()


async def test_replicas_share_one_burst_and_one_rate(replicas: list[RateLeases], clock: TestClock) -> None:
    begun = clock.now
    burst = await admitted(replicas, 50, 200)
    assert 100 <= burst <= 100 + filled(50, begun, clock)
    clock.advance(seconds=1)
    again = await admitted(replicas, 50, 200)
    assert burst + again <= 100 + filled(50, begun, clock)
    # A lease of five that the other replica holds is the most that lies idle.
    assert again >= 50 - 5


async def test_one_replica_alone_has_the_whole_rate(replicas: list[RateLeases], clock: TestClock) -> None:
    begun = clock.now
    assert 100 <= await admitted(replicas[:1], 50, 200) <= 100 + filled(50, begun, clock)


async def test_the_wait_that_is_named_suffices(replicas: list[RateLeases], clock: TestClock) -> None:
    first, second = replicas
    assert [await wait_of(first, 1) for _ in range(2)] == [0.0, 0.0]
    wait = await wait_of(second, 1)
    assert 0.5 < wait <= 1.0
    clock.advance(seconds=wait)
    assert await wait_of(second, 1) == 0.0


async def test_an_empty_bucket_is_not_asked_again_before_it_holds_something(
    records: list[Record], replicas: list[RateLeases], clock: TestClock
) -> None:
    """A flood of refused calls asks no database."""
    while await wait_of(replicas[0], 2) == 0.0:
        pass
    await records[0].close()
    assert await wait_of(replicas[0], 2) > 0.0


async def test_projects_and_keys_have_buckets_of_their_own(replicas: list[RateLeases]) -> None:
    first, second = replicas
    while await wait_of(first, 1) == 0.0:
        pass
    assert await wait_of(second, 1, key="key-1") == 0.0
    assert await wait_of(second, 1, project_id=OTHER_PROJECT) == 0.0
    assert await wait_of(second, 0, key="key-2") == 3600.0


async def test_a_request_that_is_given_back_is_there_for_the_next(replicas: list[RateLeases]) -> None:
    leases = replicas[0]
    assert [await wait_of(leases, 1) for _ in range(2)] == [0.0, 0.0]
    leases.give_back(PROJECT, "")
    assert await wait_of(leases, 1) == 0.0


async def test_calls_at_two_replicas_are_limited_together(records: list[Record], clock: TestClock) -> None:
    limiters = [
        Limiter(
            record.settings,
            Quotas(record, clock=clock),
            project_defaults=Limits(requests_per_second=10),
            rate_leases=RateLeases(record.rate_buckets, now=lambda: clock.now.timestamp()),
        )
        for record in records
    ]
    begun, entered = clock.now, 0
    for turn in range(60):
        call = Call("MemoryService/GetMemory", Caller(PROJECT, KeyRole.READER), "r", None)
        try:
            async with limiters[turn % 2].admitted(call, streaming=False):
                entered += 1
        except ResourceExhausted as refused:
            assert refused.metadata == {"limit": "project.requests_per_second"}
    assert 20 <= entered <= 20 + filled(10, begun, clock)
