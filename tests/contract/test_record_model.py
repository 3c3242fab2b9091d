"""The record against a model of the log in plain Python, over random histories, on both databases.

The model is a list of everything that was ever true; what the record answers about now and about any
earlier position must follow from it. Lists are read in pages with writes between the pages.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mnemon_service.model.errors import FailedPrecondition, NotFound
from mnemon_service.model.memory import Memory, MemoryState, Version, VersionEvent
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import AsOf, Order, OrderBy, Selection
from mnemon_service.record.writing import Write
from support.postgres import PostgresServer
from support.records import ACTOR, ALL, PROJECT, TestClock, memory, request

Result = TypeVar("Result")

SCOPES = [
    Scope(user_id="ana"),
    Scope(user_id="ana", run_id="r1"),
    Scope(user_id="bo"),
    Scope(agent_id="cook"),
]
HERE = (MemoryState.ACTIVE, MemoryState.SUPERSEDED)
STATES = {"update": HERE, "delete": HERE, "supersede": (MemoryState.ACTIVE,)}
"""From which states each change is possible."""
TICK = timedelta(milliseconds=1)
"""How much later the clock is each time it is asked."""
READS = [Scope(), Scope(user_id="ana"), Scope(run_id="r1"), Scope(agent_id="cook")]
ORDERS = [Order(by, descending) for by in OrderBy for descending in (True, False)]


@dataclass
class Reading:
    """A list that is being read in pages."""

    selection: Selection
    order: Order
    size: int
    position: int
    expected: list[str]
    """Ids that the list held at its first page, in order."""
    seen: list[str] = field(default_factory=list)
    token: str = ""


class RecordMachine(RuleBasedStateMachine):
    """Random histories of one project."""

    location = ""
    server: PostgresServer | None = None
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.clock = TestClock()
        self.log: list[Version] = []
        self.last: dict[str, Version] = {}
        self.erased: set[str] = set()
        self.names: list[str] = []
        self.record = self.do(self.opened())
        self.replica = self.do(self.beside()) if self.server is not None else self.record
        self.add([*SCOPES, *SCOPES[:2]], old=True, ttl=None)

    async def beside(self) -> Record:
        """Another replica on the same database."""
        assert self.server is not None
        return await Record.open(self.server.url(self.database), connections=2, clock=self.clock)

    async def opened(self) -> Record:
        if self.server is not None:
            self.database = await self.server.create_database("template_record")
            location: str | Path = self.server.url(self.database)
        else:
            self.directory = tempfile.TemporaryDirectory()
            location = Path(self.directory.name) / "mnemon.db"
        record = await Record.open(location, readers=1, connections=2, clock=self.clock)
        await record.projects.create(PROJECT)
        return record

    def teardown(self) -> None:
        """The past is looked at, unless the history broke off: then model and record may stand apart, and
        what broke it is the failure to show."""
        if not hasattr(self, "record"):
            return
        if sys.exc_info()[0] is None:
            self.check_every_moment()
        if self.replica is not self.record:
            self.do(self.replica.close())
        self.do(self.record.close())
        if self.server is not None:
            self.do(self.server.drop_database(self.database))
        else:
            self.directory.cleanup()

    # The model

    def state_at(self, position: int) -> dict[str, Version]:
        """Each memory's last version up to a position."""
        found: dict[str, Version] = {}
        for version in self.log[:position]:
            found[version.memory.id] = version
        return {name: one for name, one in found.items() if name not in self.erased}

    def visible(self, selection: Selection, position: int, now: datetime) -> list[Version]:
        """What a selection holds at a position."""
        return [
            one
            for one in self.state_at(position).values()
            if one.memory.state in selection.states
            and (one.memory.expire_time is None or one.memory.expire_time > now)
            and selection.scope.selects(one.memory.scope)
        ]

    def in_order(self, found: list[Version], order: Order) -> list[str]:
        def key(one: Version) -> tuple[Any, ...]:
            if order.by is OrderBy.UPDATE_TIME:
                return (one.sequence,)
            return one.memory.create_time, one.memory.id

        return [one.memory.id for one in sorted(found, key=key, reverse=order.descending)]

    def took_place(self, versions: tuple[Version, ...]) -> None:
        """The write was acknowledged: it is part of the truth from now on. Each change was made of what the
        one before it had left."""
        for one in versions:
            before = self.last.get(one.memory.id)
            assert one.memory.version == (before.memory.version + 1 if before else 1)
            if before is not None and one.event is not VersionEvent.ERASED:
                assert one.previous_text == before.memory.text, "a change was lost"
            self.last[one.memory.id] = one
        self.log.extend(versions)

    def present(self, name: str, *states: MemoryState) -> Memory | None:
        """A memory in one of these states, as the next write will find it."""
        one = self.state_at(len(self.log)).get(name)
        if one is None or one.memory.state not in states:
            return None
        expires = one.memory.expire_time
        return None if expires is not None and expires <= self.clock.now + TICK else one.memory

    # What happens

    @rule(
        scopes=st.lists(st.sampled_from(SCOPES), min_size=1, max_size=4),
        old=st.booleans(),
        ttl=st.none() | st.integers(1, 100),
    )
    def add(self, scopes: list[Scope], old: bool, ttl: int | None) -> None:
        async def work() -> None:
            async with self.record.write(ALL, ACTOR) as write:
                for scope in scopes:
                    created = write.now - timedelta(days=len(self.names) % 3) if old else None
                    expires = None if ttl is None else write.now + timedelta(seconds=ttl)
                    text = f"text {len(self.names)}"
                    one = memory(text, scope, create_time=created, expire_time=expires)
                    self.names.append(one.id)
                    write.add(one)
            self.took_place(write.versions)

        self.do(work())

    @rule(
        kind=st.sampled_from([*STATES]),
        which=st.integers(0, 99),
        text=st.sampled_from(["one", "two", "three"]),
    )
    def change(self, kind: str, which: int, text: str) -> None:
        if not self.names:
            return
        name = self.names[which % len(self.names)]
        allowed = self.present(name, *STATES[kind]) is not None

        async def work() -> None:
            async with self.record.write(ALL, ACTOR) as write:
                before = (await write.current([name]))[name]
                if kind == "update":
                    write.update(replace(before, text=text))
                elif kind == "supersede":
                    write.supersede(name, self.names[0])
                else:
                    write.delete(name)
            self.took_place(write.versions)

        if allowed:
            self.do(work())
        elif self.present(name, *MemoryState) is None:
            with pytest.raises(NotFound):
                self.do(work())

    @rule(which=st.integers(0, 99))
    def restore(self, which: int) -> None:
        """What was deleted or has expired comes back; what is there is no case for it."""
        if not self.names:
            return
        name = self.names[which % len(self.names)]

        async def work() -> None:
            async with self.record.write(ALL, ACTOR) as write:
                await write.load([name])
                write.restore(name)
            self.took_place(write.versions)

        if name in self.erased:
            with pytest.raises(NotFound):
                self.do(work())
        elif self.present(name, *HERE) is not None:
            with pytest.raises(FailedPrecondition):
                self.do(work())
        else:
            self.do(work())
            back = self.log[-1].memory
            assert back.state in HERE and (back.expire_time is None or back.expire_time > self.clock.now)

    @rule(
        writers=st.lists(
            st.tuples(st.sampled_from([*STATES, "restore", "add"]), st.integers(0, 5), st.booleans()),
            min_size=2,
            max_size=6,
        )
    )
    def at_once(self, writers: list[tuple[str, int, bool]]) -> None:
        """Several writers change the same few memories, on two replicas where there are two. Each sees what
        those before it left; the log says in which order they came, and one that came too late was told."""
        done: list[tuple[Version, ...]] = []

        async def writer(kind: str, name: str, record: Record) -> None:
            async with record.write(ALL, ACTOR) as write:
                if kind == "add":
                    one = memory(f"text {len(self.names)}", SCOPES[0])
                    self.names.append(one.id)
                    write.add(one)
                    write.add(memory("beside it", SCOPES[2]))
                else:
                    found = await write.load([name])
                    await asyncio.sleep(0)
                    self.change_one(write, kind, name, found[0].text if found else "")
            done.append(write.versions)

        async def all_of_them() -> list[BaseException | None]:
            names = self.names[-6:]
            return await asyncio.gather(
                *(
                    writer(kind, names[which % len(names)], self.replica if elsewhere else self.record)
                    for kind, which, elsewhere in writers
                ),
                return_exceptions=True,
            )

        for error in self.do(all_of_them()):
            assert error is None or isinstance(error, NotFound | FailedPrecondition), error
        self.took_place(tuple(version for versions in sorted(done, key=_place) for version in versions))

    def change_one(self, write: Write, kind: str, name: str, text: str) -> None:
        """One change of a memory that was loaded. Raises `NotFound` or `FailedPrecondition` if it is not one
        that can be changed so."""
        if kind == "update":
            write.update(memory(f"{text} and more", id=name))
        elif kind == "supersede":
            write.supersede(name, self.names[0])
        elif kind == "delete":
            write.delete(name)
        else:
            write.restore(name)

    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        alive = sorted(set(self.names) - self.erased)
        if not alive:
            return
        name = data.draw(st.sampled_from(alive))

        async def work() -> None:
            async with self.record.write(ALL, ACTOR) as write:
                await write.load([name])
                write.erase(name)
            self.took_place(write.versions)

        self.do(work())
        self.erased.add(name)

    @rule(seconds=st.integers(1, 60))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        now = self.clock.now
        due = {
            name
            for name, one in self.state_at(len(self.log)).items()
            if one.memory.state in (MemoryState.ACTIVE, MemoryState.SUPERSEDED)
            and one.memory.expire_time is not None
            and one.memory.expire_time <= now
        }
        assert self.do(self.record.retention.log_expired(PROJECT)) >= len(due)
        rows, _ = self.do(self.record.log.after(ALL, len(self.log)))
        assert all(row.event is VersionEvent.EXPIRED for row in rows)
        assert due <= {row.memory.id for row in rows}
        self.took_place(tuple(rows))

    @rule(number=st.integers(0, 3))
    def the_same_request_again(self, number: int) -> None:
        async def work() -> bytes:
            async with self.record.write(ALL, ACTOR, request(f"r{number}")) as write:
                if write.stored_answer is not None:
                    return write.stored_answer
                one = memory("asked", SCOPES[3])
                self.names.append(one.id)
                write.add(one)
                write.answer(one.id.encode())
            self.took_place(write.versions)
            return one.id.encode()

        if not self.erased:
            first = self.do(work())
            assert self.do(work()) == first

    # What is read

    @rule(
        scope=st.sampled_from(READS),
        order=st.sampled_from(ORDERS),
        size=st.integers(1, 3),
        superseded=st.booleans(),
        between=st.lists(
            st.tuples(st.sampled_from([*STATES, "restore", "add", "time"]), st.integers(0, 99)),
            min_size=1,
            max_size=5,
        ),
    )
    def read_in_pages(
        self, scope: Scope, order: Order, size: int, superseded: bool, between: list[tuple[str, int]]
    ) -> None:
        """Reads a list to its end while others write between its pages."""
        selection = Selection(scope=scope, show_superseded=superseded)
        expected = self.in_order(self.visible(selection, len(self.log), self.clock.now + TICK), order)
        reading = Reading(selection, order, size, len(self.log), expected)
        self.next_page(reading)
        assert reading.seen == expected[:size]
        while reading.token:
            for kind, which in between[:2]:
                if kind == "add":
                    self.add([SCOPES[which % len(SCOPES)]], old=which % 2 == 0, ttl=None)
                elif kind == "time":
                    self.clock.advance(seconds=which)
                elif kind == "restore":
                    self.restore(which)
                else:
                    self.change(kind, which, "between pages")
            between = between[1:] + between[:1]
            self.next_page(reading)
        assert self.always_visible(reading) <= set(reading.seen), "a memory was skipped"

    def next_page(self, reading: Reading) -> None:
        page = self.do(
            self.record.memories.list(
                ALL, reading.selection, order=reading.order, page_size=reading.size, page_token=reading.token
            )
        )
        now = {one.memory.id for one in self.visible(reading.selection, len(self.log), self.clock.now)}
        ids = [one.id for one in page.memories]
        assert page.sequence == reading.position
        assert set(ids) <= now, "a page shows what is not visible any more"
        reading.seen += ids
        reading.token = page.next_page_token
        assert len(set(reading.seen)) == len(reading.seen), "a memory came twice"
        assert [name for name in reading.expected if name in reading.seen] == reading.seen, "out of order"

    def always_visible(self, reading: Reading) -> set[str]:
        """What was visible at every moment since the reading began."""
        found = set(reading.expected)
        for position in range(reading.position, len(self.log) + 1):
            found &= {one.memory.id for one in self.visible(reading.selection, position, self.clock.now)}
        return found

    @invariant()
    def the_log_is_the_model(self) -> None:
        if not hasattr(self, "record"):
            return
        rows, end = self.do(self.record.log.after(ALL, 0, limit=10_000))
        assert end == len(self.log) and [row.sequence for row in rows] == list(range(1, end + 1))
        counted: dict[str, int] = {}
        for row, truth in zip(rows, self.log, strict=True):
            counted[row.memory.id] = counted.get(row.memory.id, 0) + 1
            assert row.memory.version == counted[row.memory.id]
            if row.memory.id in self.erased:
                assert row.memory.text == "" and row.previous_text == ""
            else:
                assert row == truth

    @invariant()
    def the_projection_follows_from_the_log(self) -> None:
        if not hasattr(self, "record"):
            return
        everything = Selection(show_deleted=True, show_superseded=True)
        for selection in (Selection(), everything):
            page = self.do(self.record.memories.list(ALL, selection, page_size=500))
            truth = {
                one.memory.id: one.memory for one in self.visible(selection, len(self.log), self.clock.now)
            }
            assert {one.id: one for one in page.memories} == truth
        rows, _ = self.do(self.record.entities.list_scope(ALL, "user_id"))
        for row in rows:
            counted = [
                one
                for one in self.state_at(len(self.log)).values()
                if one.memory.scope.user_id == row.value and one.memory.state is MemoryState.ACTIVE
            ]
            assert row.memories == len(counted)

    def check_every_moment(self) -> None:
        """The past reads as it was, but for what has been erased since."""
        for position in range(1, len(self.log) + 1):
            moment = self.log[position - 1].record_time
            assert moment is not None
            selection = Selection(as_of=AsOf(sequence=position))
            page = self.do(self.record.memories.list(ALL, selection, page_size=500))
            truth = {one.memory.id: one.memory for one in self.visible(selection, position, moment)}
            assert {one.id: one for one in page.memories} == truth


def _place(versions: tuple[Version, ...]) -> int:
    return versions[0].sequence


def campaign(machine: type[RecordMachine], examples: int) -> None:
    """Run random histories in an event loop of their own."""
    machine.loop = asyncio.new_event_loop()
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
    finally:
        machine.loop.close()


def test_histories_on_sqlite() -> None:
    campaign(type("SqliteMachine", (RecordMachine,), {}), examples=10)


def test_histories_on_postgresql(postgres_server: PostgresServer) -> None:
    asyncio.run(prepare_template(postgres_server))
    campaign(type("PostgresMachine", (RecordMachine,), {"server": postgres_server}), examples=10)


class _BrokenOff(Exception):
    """What a time limit raises anywhere."""


def test_a_history_that_breaks_off_shows_what_broke_it() -> None:
    """And not what model and record differ in because of it: an erasure that was committed when the time
    limit struck, before the model heard of it, looked like a memory that the past had lost."""

    async def erase_first(machine: RecordMachine) -> None:
        async with machine.record.write(ALL, ACTOR) as write:
            await write.load(machine.names[:1])
            write.erase(machine.names[0])

    def broken_off(machine: RecordMachine) -> None:
        try:
            machine.do(erase_first(machine))
            raise _BrokenOff
        finally:  # as hypothesis ends a history
            machine.teardown()

    machine = RecordMachine()
    machine.loop = asyncio.new_event_loop()
    try:
        machine.begin()
        with pytest.raises(_BrokenOff):
            broken_off(machine)
    finally:
        machine.loop.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_histories(postgres_server: PostgresServer) -> None:
    asyncio.run(prepare_template(postgres_server))
    campaign(type("SqliteMachine", (RecordMachine,), {}), examples=400)
    campaign(type("PostgresMachine", (RecordMachine,), {"server": postgres_server}), examples=200)


async def prepare_template(server: PostgresServer) -> None:
    """A migrated database to copy: quicker than migrating each."""
    await server.drop_database("template_record")
    await server.execute("CREATE DATABASE template_record TEMPLATE template0 ENCODING 'UTF8'")
    await (await Record.open(server.url("template_record"))).close()
