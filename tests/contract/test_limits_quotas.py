"""Daily quotas and stored memories, counted in the record for all replicas together."""

from __future__ import annotations

import asyncio

import pytest

from mnemon_service.model.errors import Reason, ResourceExhausted
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.record.record import Record
from mnemon_service.server.quotas import Quotas
from support.records import OTHER_PROJECT, PROJECT, TestClock, add_texts


@pytest.fixture
def replicas(records: list[Record], clock: TestClock) -> tuple[Quotas, Quotas]:
    """Two processes on one record."""
    return Quotas(records[0], clock=clock), Quotas(records[1], clock=clock)


async def admitted(quotas: Quotas, limit: int, subject: str = "", project_id: str = PROJECT) -> bool:
    """True if one more add is admitted."""
    try:
        await quotas.take_add(project_id, subject, "key" if subject else "project", limit)
    except ResourceExhausted as refused:
        assert refused.reason is Reason.QUOTA_EXCEEDED
        assert refused.metadata["limit"].endswith(".adds_per_day")
        assert refused.retry_after is not None
        assert 0 < refused.retry_after <= 86_400
        return False
    return True


async def test_replicas_together_admit_exactly_the_limit(replicas: tuple[Quotas, Quotas]) -> None:
    answers = await asyncio.gather(*(admitted(replicas[turn % 2], 300) for turn in range(400)))
    # A lease of three that the other replica holds is the most that can be left over.
    assert 300 - 2 <= sum(answers) <= 300


async def test_projects_and_keys_are_counted_apart(replicas: tuple[Quotas, Quotas]) -> None:
    quotas, _ = replicas
    assert await admitted(quotas, 1)
    assert not await admitted(quotas, 1)
    assert await admitted(quotas, 1, "key-1")
    assert await admitted(quotas, 1, project_id=OTHER_PROJECT)
    assert not await admitted(quotas, 0, "key-2")


async def test_a_new_day_begins_at_zero(replicas: tuple[Quotas, Quotas], clock: TestClock) -> None:
    quotas, _ = replicas
    assert await admitted(quotas, 1)
    assert not await admitted(quotas, 1)
    clock.advance(days=1)
    assert await admitted(quotas, 1)


async def test_what_a_stopped_replica_did_not_use_is_given_back(replicas: tuple[Quotas, Quotas]) -> None:
    first, second = replicas
    assert await admitted(first, 1000)  # leases 10
    await first.close()
    answers = [await admitted(second, 1000) for _ in range(1000)]
    assert sum(answers) == 999


async def test_tokens_of_all_replicas_count(replicas: tuple[Quotas, Quotas]) -> None:
    first, second = replicas
    first.spent(PROJECT, "key-1", [ProviderUsage("openai", "m", input_tokens=600, output_tokens=100)])
    await first.close()
    await second.require_tokens(PROJECT, "", "project", 701)
    with pytest.raises(ResourceExhausted) as refused:
        await second.require_tokens(PROJECT, "", "project", 700)
    assert refused.value.metadata == {"limit": "project.tokens_per_day"}
    with pytest.raises(ResourceExhausted):
        await second.require_tokens(PROJECT, "key-1", "key", 700)
    await second.require_tokens(PROJECT, "key-2", "key", 700)
    second.spent(PROJECT, "key-2", [ProviderUsage("openai", "m", input_tokens=1)])
    with pytest.raises(ResourceExhausted):  # known at once here, before it is written
        await second.require_tokens(PROJECT, "", "project", 701)
    await second.close()


async def test_a_full_project_takes_no_more_memories(record: Record) -> None:
    quotas = Quotas(record)
    await add_texts(record, ["one", "two", "three"])
    await quotas.require_room(PROJECT, 2, 5, stored=True)
    with pytest.raises(ResourceExhausted) as refused:
        await quotas.require_room(PROJECT, 3, 5)
    assert refused.value.reason is Reason.QUOTA_EXCEEDED
    assert refused.value.metadata == {"limit": "project.memories_stored"}
    await quotas.require_room(OTHER_PROJECT, 5, 5)
