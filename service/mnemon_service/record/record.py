"""The record: one object that opens the database and hands out its rooms."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import tenacity
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import NotFound, Reason, Unavailable
from mnemon_service.model.memory import Actor
from mnemon_service.record.audit import Audit
from mnemon_service.record.committing import write_pending
from mnemon_service.record.cursors import IndexCursors
from mnemon_service.record.daily_use import DailyUse
from mnemon_service.record.database import (
    Database,
    Transaction,
    database_at,
    is_postgresql,
    postgresql_url,
)
from mnemon_service.record.deliveries import Deliveries
from mnemon_service.record.dialects import Dialect
from mnemon_service.record.embeddings import Embeddings
from mnemon_service.record.entities import Entities
from mnemon_service.record.entity_lists import EntityLists
from mnemon_service.record.exports import Exports
from mnemon_service.record.feedback import Feedback
from mnemon_service.record.freshness import Freshness
from mnemon_service.record.idempotency import find_answer
from mnemon_service.record.index_leases import IndexLeases
from mnemon_service.record.keys import Keys
from mnemon_service.record.log import Log
from mnemon_service.record.memories import Memories
from mnemon_service.record.messages import Messages
from mnemon_service.record.migrating import migrate
from mnemon_service.record.operations import Operations
from mnemon_service.record.page_tokens import KEY_BYTES, PageTokens
from mnemon_service.record.place_leases import PlaceLeases
from mnemon_service.record.project_changes import ProjectChanges
from mnemon_service.record.project_settings import StoredSettings
from mnemon_service.record.projects import Projects, ProjectState
from mnemon_service.record.rate_buckets import RateBuckets
from mnemon_service.record.request_log import RequestLog
from mnemon_service.record.retention import Retention
from mnemon_service.record.samples import Samples
from mnemon_service.record.schema import projects
from mnemon_service.record.schema import secrets as secrets_table
from mnemon_service.record.selection import Access, RequestKey
from mnemon_service.record.signal import ChangeSignal
from mnemon_service.record.subjects import Subjects
from mnemon_service.record.times import Clock, from_micros, to_micros, utc_now
from mnemon_service.record.usage import UsageAccounts
from mnemon_service.record.webhooks import Webhooks
from mnemon_service.record.writing import Start, Write

_LOCK_PROJECT: Final = (
    sa.select(projects.c.last_sequence, projects.c.last_record_time, projects.c.state)
    .where(projects.c.id == sa.bindparam("project_id"))
    .with_for_update()
)
_ENDS: Final = sa.select(projects.c.id, projects.c.last_sequence)
_PAGE_TOKEN_KEY: Final = "page_token_key"  # noqa: S105 (its name)


class Record:
    """Everything that Mnemon keeps, in one SQL database. Make it with `Record.open`.

    Methods raise `Unavailable` (RECORD_UNAVAILABLE, with `retry_after`) while the database does not
    answer, is locked by others or its disk is full.
    """

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens, signal: ChangeSignal) -> None:
        self._database = database
        self._clock = clock
        self.signal = signal
        self.tokens = tokens
        """Signs places in streams and lists."""
        self.memories = Memories(database, clock, tokens)
        self.log = Log(database, clock, tokens)
        self.exports = Exports(database, clock)
        self.feedback = Feedback(database, clock)
        self.messages = Messages(database)
        self.samples = Samples(database, clock)
        self.embeddings = Embeddings(database)
        self.entities = Entities(database, tokens)
        self.entity_lists = EntityLists(database, tokens)
        self.operations = Operations(database, clock, tokens, signal)
        self.index_cursors = IndexCursors(database)
        self.index_leases = IndexLeases(database, signal)
        self.projects = Projects(database, clock, tokens)
        self.freshness = Freshness(database)
        self.audit = Audit(database, clock, tokens)
        self.keys = Keys(database, clock, tokens, self.audit, self.freshness)
        self.project_changes = ProjectChanges(self.projects, clock, self.audit, self.freshness)
        self.settings = StoredSettings(database, clock, self.audit, self.freshness)
        self.daily_use = DailyUse(database)
        self.place_leases = PlaceLeases(database, clock)
        self.rate_buckets = RateBuckets(database, clock)
        self.retention = Retention(database, clock, self.write)
        self.webhooks = Webhooks(database, clock, tokens, self.audit)
        self.deliveries = Deliveries(database, clock, tokens)
        self.usage = UsageAccounts(database)
        self.request_log = RequestLog(database, clock, tokens)
        self.subjects = Subjects(database, self.freshness)

    @classmethod
    async def open(
        cls,
        location: str | Path,
        *,
        readers: int = 4,
        connections: int = 10,
        clock: Clock = utc_now,
    ) -> Record:
        """The record at a file's path (SQLite) or a `postgresql://` address, migrated to this release.

        `readers` is the number of SQLite's reading threads, `connections` that of PostgreSQL's pool (as
        many again at peaks, and one that listens).
        """
        signal = ChangeSignal()
        database = database_at(location, readers=readers, connections=connections)
        try:
            await migrate(database)
            key = await database.write(lambda c: _page_token_key(c, database.dialect))
            tokens = PageTokens(key)
            for project_id, end in await database.read(lambda c: c.execute(_ENDS).all()):
                signal.announce(project_id, end)
            if is_postgresql(location):
                await signal.listen(postgresql_url(location))
        except BaseException:
            await database.close()
            raise
        return cls(database, clock, tokens, signal)

    @property
    def database(self) -> Database:
        """For the rooms of the record that others add (keys, settings, webhooks, usage)."""
        return self._database

    async def close(self) -> None:
        """Close every connection; idempotent."""
        await self.freshness.close()
        await self.signal.close()
        await self._database.close()

    @contextlib.asynccontextmanager
    async def write(
        self, access: Access, actor: Actor, request: RequestKey | None = None
    ) -> AsyncIterator[Write]:
        """One transaction on a project: committed when the block ends, undone when it raises.

        Writers of one project go one after the other, so its log has one order without gaps; await
        nothing slow inside. If `request` was answered before, `write.stored_answer` holds the answer:
        return it and change nothing.

        Raises `AlreadyExists` (REQUEST_ID_REUSED) for the same request id with another body,
        `NotFound` (RESOURCE_NOT_FOUND) for an unknown project.
        """
        async with self._database.transaction(access.project_id) as transaction:
            start = await transaction.run(lambda connection: self._start(connection, access, request))
            write = Write(transaction, self._database.dialect, access, actor, start)
            yield write
            if write.stored_answer is not None:
                return
            try:
                await self._commit(transaction, write, request)
            except Unavailable:
                if request is None:
                    raise
                lost = True
            else:
                lost = False
        if lost and request is not None:
            await self._resolve(access, request)
        self._announce(write)

    def _start(self, connection: Connection, access: Access, request: RequestKey | None) -> Start:
        """Take the project's lock; what is read after it is the last state."""
        row = connection.execute(_LOCK_PROJECT, {"project_id": access.project_id}).one_or_none()
        if row is None or row.state == ProjectState.DELETING.value:
            raise NotFound("there is no such project", reason=Reason.RESOURCE_NOT_FOUND)
        answer = find_answer(connection, access, request) if request is not None else None
        now = max(to_micros(self._clock()), row.last_record_time)
        return Start(row.last_sequence, from_micros(now), answer)

    async def _commit(self, transaction: Transaction, write: Write, request: RequestKey | None) -> None:
        def work(connection: Connection) -> None:
            write_pending(
                connection,
                self._database.dialect,
                write.access,
                request,
                write.pending,
                last_sequence=write.last_sequence,
                now=to_micros(write.now),
            )

        await transaction.commit(work)

    async def _resolve(self, access: Access, request: RequestKey) -> None:
        """Find out whether a commit whose answer was lost took place: its idempotent answer says so.

        The project's lock is taken first: a commit that still runs on the server is waited for.
        Raises `Unavailable` if it did not take place, or if the database stays away.
        """
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Unavailable),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=1),
            stop=tenacity.stop_after_delay(3),
            reraise=True,
        )
        start: Start | None = None
        async for attempt in retrying:
            with attempt:
                start = await self._database.write(lambda c: self._start(c, access, request))
        if start is None or start.stored_answer is None:
            raise Unavailable("the change was not stored", reason=Reason.RECORD_UNAVAILABLE, retry_after=1.0)

    def _announce(self, write: Write) -> None:
        if write.versions:
            self.signal.announce(write.access.project_id, write.last_sequence)
        if write.pending.operations or write.pending.claims:
            self.signal.announce_operations()

    async def stored_answer(self, access: Access, request: RequestKey) -> bytes | None:
        """The answer to a request that took effect before, so that no model is asked twice; or None.

        Raises `AlreadyExists` (REQUEST_ID_REUSED) for the same request id with another body.
        """
        return await self._database.read(lambda connection: find_answer(connection, access, request))


def _page_token_key(connection: Connection, dialect: Dialect) -> bytes:
    """The installation's key: that of the first replica that makes one."""
    made = {"name": _PAGE_TOKEN_KEY, "value": secrets.token_bytes(KEY_BYTES)}
    connection.execute(dialect.insert(secrets_table).on_conflict_do_nothing(), made)
    query = sa.select(secrets_table.c.value).where(secrets_table.c.name == _PAGE_TOKEN_KEY)
    return bytes(connection.execute(query).scalar_one())
