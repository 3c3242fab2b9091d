"""The record alone, without gRPC and without an index."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, replace

from bench.record.times import Times
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Actor, Memory
from mnemon_service.model.scope import Scope
from mnemon_service.record.exports import Place, place_of
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, AsOf, Selection

PROJECT = "bench"
ALL = Access(PROJECT)
ACTOR = Actor(operation="bench")
MEMORIES_A_USER = 100
PIECE = 500
WATCHED = 300
"""Changes whose way to a watcher is timed."""
PAUSE_SECONDS = 0.002
"""Between two of them: a watcher that always has work shows no lag."""


@dataclass(frozen=True, slots=True)
class Grown:
    """One database at one size."""

    database: str
    memories: int
    add: Times
    update: Times
    page: Times
    past_page: Times
    past_get: Times
    history: Times
    watch_lag: Times
    exported_a_second: float


def _scope(number: int) -> Scope:
    return Scope(user_id=f"user-{number}")


def _memory(number: int, scope: Scope) -> Memory:
    return Memory(new_id(), "", scope, f"On day {number} of the journey we saw town {number % 977}.")


async def fill(record: Record, memories: int) -> None:
    """A hundred memories a user.

    PostgreSQL then learns how many there are, as it does by itself within a minute: before that its planner
    takes tables for nearly empty ones, and an export of 100,000 memories takes ten times as long.
    """
    await record.projects.create(PROJECT)
    for start in range(0, memories, PIECE):
        async with record.write(ALL, ACTOR) as write:
            for number in range(start, min(start + PIECE, memories)):
                write.add(_memory(number, _scope(number // MEMORIES_A_USER)))
    if record.database.dialect.name == "postgresql":
        await record.database.outside_transaction("ANALYZE")


async def measure(record: Record, database: str, memories: int, calls: int) -> Grown:
    """Every number at this size. The past that is read is half of the log ago."""
    chance = random.Random(7)
    users = max(1, memories // MEMORIES_A_USER)
    add, update, page, past_page, past_get, history = (Times() for _ in range(6))
    then = AsOf(sequence=memories // 2)
    for number in range(calls):
        scope = _scope(chance.randrange(users))
        with add.one():
            async with record.write(ALL, ACTOR) as write:
                await write.duplicates(scope, ["new"])
                added = write.add(_memory(memories + number, scope)).memory
        with update.one():
            async with record.write(ALL, ACTOR) as write:
                known = (await write.current([added.id]))[added.id]
                write.update(replace(known, text=f"changed {number}"))
        with page.one():
            listed = await record.memories.list(ALL, Selection(scope), page_size=50)
        past = Selection(_scope(chance.randrange(max(1, users // 2))), as_of=then)
        with past_page.one():
            before = await record.memories.list(ALL, past, page_size=50)
        with past_get.one():
            await record.memories.get(ALL, before.memories[0].id, as_of=then)
        with history.one():
            await record.log.versions_of(ALL, listed.memories[0].id)
    return Grown(
        database,
        memories,
        *(add, update, page, past_page, past_get, history),
        await _watch_lag(record),
        await _export_rate(record),
    )


async def _watch_lag(record: Record) -> Times:
    """From the end of a commit to the moment at which a watcher holds the change."""
    lag = Times()
    committed: dict[int, float] = {}
    position = await record.log.last_sequence(ALL)
    end = position + WATCHED

    async def watch(position: int) -> None:
        while position < end:
            versions, position = await record.log.after(ALL, position)
            now = time.perf_counter()
            # A change may reach the watcher before its writer has gone on: then there is no lag.
            lag.milliseconds.extend(
                max(0.0, now - committed.get(version.sequence, now)) * 1000 for version in versions
            )
            if position < end:
                await record.signal.wait_beyond(PROJECT, position, 10.0)

    watcher = asyncio.create_task(watch(position))
    for number in range(WATCHED):
        async with record.write(ALL, ACTOR) as write:
            write.add(_memory(number, Scope(user_id="watched")))
        committed[write.last_sequence] = time.perf_counter()
        await asyncio.sleep(PAUSE_SECONDS)
    await watcher
    return lag


async def _export_rate(record: Record) -> float:
    selection = Selection()
    moment = await record.exports.moment(ALL, selection)
    place, exported = Place(), 0
    begun = time.perf_counter()
    while memories := await record.exports.page(ALL, selection, moment, place, PIECE):
        exported += len(memories)
        place = place_of(memories[-1])
    return exported / (time.perf_counter() - begun)
