"""A sample of a scope is spread over all that it holds, old and new, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.term_sample import TermSamples
from support.records import ALL, ANA, BO, PROJECT, TestClock, add, delete, memory

MANY = 600


async def test_a_sample_holds_about_its_share_of_every_age(record: Record) -> None:
    for age in range(3):
        await add(record, *(memory(f"age {age}", attributed_to="Ana") for _ in range(MANY // 3)))
    found = await record.samples.texts(ALL, ANA, 0.25)
    ages = [sum(text == f"age {age}" for text, _ in found) for age in range(3)]
    # A quarter of 200: 50, give or take five standard deviations (6.1).
    assert all(20 < count < 80 for count in ages), ages
    assert {speaker for _, speaker in found} == {"Ana"}
    assert await record.samples.texts(ALL, ANA, 0.25) == found
    assert len(await record.samples.texts(ALL, ANA, 1.0)) >= MANY - 1


async def test_a_sample_holds_only_what_a_search_of_the_scope_may_see(
    record: Record, clock: TestClock
) -> None:
    stored = await add(
        record,
        *(memory("kept") for _ in range(40)),
        *(memory("deleted") for _ in range(5)),
        *(memory("expired", expire_time=clock.now + timedelta(hours=1)) for _ in range(5)),
        *(memory("of Bo", BO) for _ in range(5)),
    )
    for one in stored[40:45]:
        await delete(record, one.id)
    clock.advance(hours=2)
    assert {text for text, _ in await record.samples.texts(ALL, ANA, 1.0)} == {"kept"}
    assert {text for text, _ in await record.samples.texts(ALL, Scope(), 1.0)} == {"kept", "of Bo"}
    bound = Access(PROJECT, bound=BO)
    assert {text for text, _ in await record.samples.texts(bound, Scope(), 1.0)} == {"of Bo"}
    assert await record.samples.texts(bound, ANA, 1.0) == []


async def test_words_of_long_ago_are_counted_in_a_large_scope(record: Record) -> None:
    await add(record, *(memory("we bought a parrot") for _ in range(MANY // 2)))
    await add(record, *(memory("we walked to the harbour") for _ in range(MANY // 2)))
    samples = TermSamples(record, replace(SearchSettings(), statistics_sample=MANY // 3))
    statistics = await samples.of(PROJECT, ANA, 2 * MANY)
    share = statistics.document_frequencies["parrot"] / statistics.memory_count
    assert 0.3 < share < 0.7
    exact = await TermSamples(record, SearchSettings()).of(PROJECT, ANA, 2 * MANY)
    assert (exact.memory_count, exact.document_frequencies["parrot"]) == (MANY, MANY // 2)
