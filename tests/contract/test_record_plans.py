"""Every list is served by an index: the databases' own plans say so."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.memory import Entity
from mnemon_service.model.message import Message
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, AsOf, Order, OrderBy, Selection
from support.records import ACTOR, ALL, PROJECT, memory

ORDERS = [Order(by, descending) for by in OrderBy for descending in (True, False)]
SCOPES = [Scope(), *(Scope(**{field: f"{field}-1"}) for field in SCOPE_FIELDS)]


async def fill(record: Record) -> list[str]:
    """Enough rows that a planner has a choice: many scopes, each holding little of the whole."""
    ids = []
    for start in range(0, 2000, 500):
        async with record.write(ALL, ACTOR) as write:
            for number in range(start, start + 500):
                scope = Scope(**{SCOPE_FIELDS[number % 4]: f"{SCOPE_FIELDS[number % 4]}-{number % 20 // 4}"})
                entity = Entity(f"thing {number % 50}")
                ids.append(write.add(memory(f"fact {number}", scope, entities=(entity,))).memory.id)
            await write.save_messages(SCOPES[1], [Message("hello")])
            await write.enqueue("Work", b"")
    if record.database.dialect.name == "postgresql":
        await record.database.outside_transaction("ANALYZE")
    return ids


class Statements:
    """Runs reads and keeps what they sent to the database."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.sent: list[tuple[str, Any]] = []

    async def of(self, read: Callable[[], Coroutine[Any, Any, Any]]) -> list[tuple[str, Any]]:
        """The SELECTs of a read."""
        self.sent = []
        sa.event.listen(sa.Engine, "before_cursor_execute", self.keep)
        try:
            await read()
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", self.keep)
        return [(text, values) for text, values in self.sent if text.startswith("SELECT")]

    def keep(self, _c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        self.sent.append((statement, parameters))

    async def plan(self, statement: str, parameters: Any) -> str:
        """What the database would do for a statement."""
        explain = "EXPLAIN QUERY PLAN" if self.record.database.dialect.name == "sqlite" else "EXPLAIN"

        def work(connection: Connection) -> str:
            rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
            return "\n".join(str(row[-1]) for row in rows)

        return await self.record.database.read(work)


SCAN = re.compile(
    r"\bSCAN (?!json_each|\(subquery|CONSTANT)\w+(?! USING INDEX)|Seq Scan on (?!projects|index_cursors)"
)
SORT = re.compile(r"USE TEMP B-TREE FOR ORDER BY|\bSort\b(?! Key)")


@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_every_list_of_memories_walks_an_index_in_its_order(record: Record, order: Order) -> None:
    await fill(record)
    statements = Statements(record)
    for scope in SCOPES:
        for as_of in (None, AsOf(sequence=1900)):
            selection = Selection(scope=scope, as_of=as_of)
            first = await record.memories.list(ALL, selection, order=order, page_size=2)
            for token in ("", first.next_page_token):
                sent = await statements.of(
                    lambda s=selection, t=token: record.memories.list(  # type: ignore[misc]
                        ALL, s, order=order, page_size=2, page_token=t
                    )
                )
                for statement, parameters in sent:
                    plan = await statements.plan(statement, parameters)
                    assert not SCAN.search(plan), f"{statement}\n{plan}"
                    assert not SORT.search(plan), f"{statement}\n{plan}"


async def test_the_newest_messages_of_every_scope_walk_an_index_in_their_order(record: Record) -> None:
    async with record.write(ALL, ACTOR) as write:
        for number in range(400):
            fields = (SCOPE_FIELDS[number % 4], SCOPE_FIELDS[(number + 1) % 4])
            scope = Scope(**{field: f"{field}-{number % 20 // 4}" for field in fields})
            await write.save_messages(scope, [Message(f"message {number} {place}") for place in range(5)])
    if record.database.dialect.name == "postgresql":
        await record.database.outside_transaction("ANALYZE")
    statements = Statements(record)
    for scope in SCOPES:
        sent = await statements.of(lambda s=scope: record.messages.newest(ALL, s, 20))  # type: ignore[misc]
        [(statement, parameters)] = [one for one in sent if "FROM messages" in one[0]]
        plan = await statements.plan(statement, parameters)
        expected = "".join(f"{field}_" for field in scope.named())
        assert f"ix_messages_{expected}newest" in plan, f"{statement}\n{plan}"
        assert not SCAN.search(plan), f"{statement}\n{plan}"
        assert not SORT.search(plan), f"{statement}\n{plan}"


async def test_every_other_read_uses_an_index(record: Record) -> None:
    ids = await fill(record)
    statements = Statements(record)
    bound = Access(PROJECT, bound=SCOPES[1])
    memories, log, entities = record.memories, record.log, record.entities
    reads: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: memories.get(ALL, ids[3]),
        lambda: memories.hydrate(ALL, ids[:5]),
        lambda: memories.hydrate(bound, ids[:5], Selection(scope=SCOPES[1])),
        lambda: memories.hydrate(ALL, ids[:5], Selection(as_of=AsOf(sequence=1000))),
        lambda: memories.count(ALL, Selection(scope=SCOPES[1])),
        lambda: memories.scope_rows(ALL, SCOPES[1].owner, "space"),
        lambda: log.versions_of(ALL, ids[3]),
        lambda: log.after(ALL, 1990),
        *(lambda scope=scope: log.after(ALL, 1500, scope=scope) for scope in SCOPES[1:]),
        lambda: log.changes(PROJECT, 1990, limit=5, space="space"),
        lambda: log.tail(ALL, SCOPES[1], 1500, space="space"),
        lambda: memories.list(ALL, Selection(as_of=AsOf(time=memories._clock() - timedelta(hours=1)))),
        lambda: record.messages.last(ALL, SCOPES[1], 3),
        *(lambda scope=scope: record.messages.newest(ALL, scope, 3) for scope in SCOPES),
        *(lambda scope=scope: record.samples.texts(ALL, scope, 0.1) for scope in SCOPES[1:]),
        lambda: record.messages.drawn_memories(ALL, ids[:3]),
        lambda: record.embeddings.find(PROJECT, "space", ["a", "b"]),
        lambda: entities.list_scope(ALL, "user_id"),
        lambda: entities.get_scope(ALL, "user_id", "user_id-1"),
        lambda: entities.list_named(ALL),
        lambda: record.operations.list(ALL),
    ]
    for read in reads:
        for statement, parameters in await statements.of(read):
            plan = await statements.plan(statement, parameters)
            small = record.database.dialect.name == "postgresql" and re.search(
                r"Seq Scan on (\w*entities|messages|operations|embeddings|memory_messages)",
                plan,
            )
            assert small or not SCAN.search(plan), f"{statement}\n{plan}"


async def test_the_sweepers_look_only_at_what_is_due(record: Record) -> None:
    await fill(record)
    statements = Statements(record)
    sweeps: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: record.retention.log_expired(PROJECT),
        lambda: record.retention.erase_due(PROJECT),
    ]
    for sweep in sweeps:
        for statement, parameters in await statements.of(sweep):
            plan = await statements.plan(statement, parameters)
            assert "ix_memories_expire" in plan or "ix_memories_gone" in plan, plan


async def test_a_writer_finds_its_rows_by_index(record: Record) -> None:
    ids = await fill(record)
    statements = Statements(record)

    async def write_all() -> None:
        async with record.write(ALL, ACTOR) as write:
            await write.current(ids[:5])
            await write.duplicates(SCOPES[1], ["fact 1", "fact 2"])
            await write.changes_since(SCOPES[1].owner, 1500)
            await write.select(Selection(scope=SCOPES[1]), limit=10)

    expected = {"duplicate_hash = ANY": "ix_memories_duplicates", "owner =": "ix_memories_owner"}
    expected |= {"duplicate_hash IN": "ix_memories_duplicates", "LIMIT": "ix_memories_user_id_created"}
    for statement, parameters in await statements.of(write_all):
        plan = await statements.plan(statement, parameters)
        assert not SCAN.search(plan), f"{statement}\n{plan}"
        for words, index in expected.items():
            assert words not in statement or index in plan, f"{statement}\n{plan}"
