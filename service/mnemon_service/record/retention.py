"""What goes with time: expiry, retention of deleted memories, old answers, messages and operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import Reason, Unavailable
from mnemon_service.model.memory import Actor, MemoryState
from mnemon_service.record.database import Database
from mnemon_service.record.queries import ONE
from mnemon_service.record.schema import answer_owners, idempotency, memories, messages, operations
from mnemon_service.record.selection import Access
from mnemon_service.record.times import Clock, to_micros
from mnemon_service.record.writing import Write

DEFAULT_RETENTION: Final = timedelta(days=30)
"""How long a deleted or expired memory is kept before its content is erased."""
IDEMPOTENCY_RETENTION: Final = timedelta(hours=24)
"""How long the answer to a request id is kept."""
SWEEPER: Final = Actor(operation="Sweeper")
"""Who makes the changes that come with time."""

_EXPIRED: Final = (
    sa.select(memories.c.id)
    .where(
        memories.c.project_id == sa.bindparam("project_id"),
        memories.c.expire_time.is_not(None),
        memories.c.expire_time <= sa.bindparam("now", type_=sa.BigInteger),
        memories.c.state.in_([MemoryState.ACTIVE.value, MemoryState.SUPERSEDED.value]),
    )
    .order_by(memories.c.expire_time)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_DUE: Final = (
    sa.select(memories.c.id, memories.c.owner)
    .where(
        memories.c.project_id == sa.bindparam("project_id"),
        memories.c.state.in_([sa.literal_column("'DELETED'"), sa.literal_column("'EXPIRED'")]),
        memories.c.update_time <= sa.bindparam("before", type_=sa.BigInteger),
    )
    .order_by(memories.c.update_time)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


@dataclass(frozen=True, slots=True)
class DueMemory:
    """A memory whose content is to be erased: what the index needs to find its row."""

    id: str
    owner: str


class Retention:
    """Called by a sweeper from time to time; each call does at most `limit` rows and says how many."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        write: Callable[[Access, Actor], AbstractAsyncContextManager[Write]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._write = write

    async def log_expired(self, project_id: str, *, limit: int = 500) -> int:
        """Append EXPIRED for memories whose time has passed (reads hide them from that instant)."""
        due = await self._ids(_EXPIRED, project_id, {"now": to_micros(self._clock()), "limit": limit})
        if not due:
            return 0
        async with self._write(Access(project_id), SWEEPER) as write:
            for memory in await write.load(due):
                if memory.expire_time is not None and memory.expire_time <= write.now:
                    write.expire(memory.id)
            return len(write.versions)

    async def erase_due(
        self, project_id: str, retention: timedelta = DEFAULT_RETENTION, *, limit: int = 500
    ) -> int:
        """Erase memories that were deleted or expired longer ago than `retention`, their embeddings, the
        messages that no other memory was drawn from, and stored answers that may show them."""
        due = await self.due(project_id, retention, limit=limit)
        return await self.erase(project_id, [memory.id for memory in due], retention) if due else 0

    async def due(
        self, project_id: str, retention: timedelta = DEFAULT_RETENTION, *, limit: int = 500
    ) -> list[DueMemory]:
        """The memories that `erase_due` would erase, longest ago first."""
        named = {
            "project_id": project_id,
            "before": to_micros(self._clock() - retention),
            "limit": limit,
        }
        rows = await self._database.read(lambda connection: connection.execute(_DUE, named).all())
        return [DueMemory(row.id, row.owner) for row in rows]

    async def erase(self, project_id: str, memory_ids: Sequence[str], retention: timedelta) -> int:
        """Erase those of the memories that are still due; how many."""
        before = self._clock() - retention
        async with self._write(Access(project_id), SWEEPER) as write:
            for memory in await write.load(memory_ids):
                gone = memory.state in (MemoryState.DELETED, MemoryState.EXPIRED)
                if gone and memory.update_time is not None and memory.update_time <= before:
                    write.erase(memory.id, reason="retention")
            return len(write.versions)

    async def _ids(self, query: sa.Select[Any], project_id: str, parameters: dict[str, Any]) -> list[str]:
        named = parameters | {"project_id": project_id}
        return await self._database.read(lambda connection: list(connection.scalars(query, named)))

    async def drop_old_answers(self, *, limit: int = 5000) -> int:
        """Forget idempotent answers older than 24 hours."""
        before = to_micros(self._clock() - IDEMPOTENCY_RETENTION)
        old = sa.select(idempotency.c.project_id, idempotency.c.request_id)
        old = old.where(idempotency.c.create_time < before).order_by(idempotency.c.create_time).limit(limit)
        owners_key = sa.tuple_(answer_owners.c.project_id, answer_owners.c.request_id)
        answers_key = sa.tuple_(idempotency.c.project_id, idempotency.c.request_id)

        def work(connection: Connection) -> int:
            connection.execute(sa.delete(answer_owners).where(owners_key.in_(old)))
            return connection.execute(sa.delete(idempotency).where(answers_key.in_(old))).rowcount

        return await self._database.write(work)

    async def drop_old_messages(
        self, project_id: str, *, keep: timedelta | None, keep_last: int | None = None, limit: int = 5000
    ) -> int:
        """Forget messages older than `keep`, and all but the last `keep_last` of each conversation."""
        later = messages.alias("later")
        conditions = []
        if keep is not None:
            conditions.append(messages.c.record_time < to_micros(self._clock() - keep))
        if keep_last is not None:
            conditions.append(
                sa.exists(
                    sa.select(ONE).where(
                        later.c.project_id == messages.c.project_id,
                        later.c.conversation == messages.c.conversation,
                        later.c.position == messages.c.position + keep_last,
                    )
                )
            )
        if not conditions:
            return 0
        old = sa.select(messages.c.id).where(messages.c.project_id == project_id, sa.or_(*conditions))
        statement = sa.delete(messages).where(
            messages.c.project_id == project_id, messages.c.id.in_(old.limit(limit))
        )
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def drop_old_operations(self, keep: timedelta, *, limit: int = 5000) -> int:
        """Forget operations that ended longer ago than `keep`."""
        before = to_micros(self._clock() - keep)
        old = sa.select(operations.c.project_id, operations.c.id)
        old = old.where(operations.c.end_time < before).order_by(operations.c.end_time).limit(limit)
        key = sa.tuple_(operations.c.project_id, operations.c.id)
        statement = sa.delete(operations).where(key.in_(old))
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def scrub(self, *, rewrite: bool = False) -> None:
        """Take erased bytes out of the database's files.

        SQLite overwrites what it deletes (`secure_delete`), so its write-ahead log is emptied and nothing
        is left. PostgreSQL frees the rows but keeps their bytes in the pages until others take the room;
        `rewrite` writes all tables anew without them, and locks each meanwhile. Its own log of changes
        (pg_wal, archives, replicas) goes with its settings.

        Raises `Unavailable` (RECORD_UNAVAILABLE) if a reader of the file kept the log from being emptied
        for 5 seconds: do it again.
        """
        if self._database.dialect.name == "sqlite":
            answer = await self._database.outside_transaction("PRAGMA wal_checkpoint(TRUNCATE)")
            if answer is not None and answer[0]:
                raise Unavailable(
                    "somebody reads the database; its log still holds erased bytes",
                    reason=Reason.RECORD_UNAVAILABLE,
                    retry_after=1.0,
                )
        else:
            await self._database.outside_transaction(
                "VACUUM (FULL, ANALYZE)" if rewrite else "VACUUM ANALYZE"
            )
