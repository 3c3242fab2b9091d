"""The request log: every call without its content, for as long as the project's settings say."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.ids import new_id
from mnemon_service.record.database import Database
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.rows import checked_text
from mnemon_service.record.times import Clock, from_micros, to_micros
from mnemon_service.record.usage_schema import request_log

_COLUMNS: Final = ("request_id", "method", "code", "reason", "key_id", "milliseconds")


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call that ended."""

    project_id: str
    request_id: str
    method: str
    """As `MemoryService/AddMemories`."""
    code: str
    reason: str
    key_id: str
    milliseconds: float
    start_time: datetime


class RequestLog:
    """Writes, lists and forgets calls."""

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens

    async def append(self, calls: Sequence[LoggedCall]) -> None:
        """Keeps calls."""
        rows = [
            {name: getattr(call, name) for name in _COLUMNS}
            | {"project_id": call.project_id, "id": new_id(), "start_time": to_micros(call.start_time)}
            for call in calls
        ]
        if rows:
            await self._database.write(lambda connection: connection.execute(sa.insert(request_log), rows))

    async def list(
        self,
        project_id: str,
        *,
        start_time: datetime | None = None,
        method: str = "",
        code: str = "",
        page_size: int = 50,
        page_token: str = "",
    ) -> tuple[builtins.list[LoggedCall], str]:
        """Calls of a project, newest first, and the next page's token."""
        since = None if start_time is None else to_micros(start_time)
        name = ["requests", project_id, since, method, code]
        query = sa.select(request_log).where(request_log.c.project_id == project_id)
        if since is not None:
            query = query.where(request_log.c.start_time >= since)
        if method:
            query = query.where(request_log.c.method == checked_text("method", method))
        if code:
            query = query.where(request_log.c.code == checked_text("code", code))
        if page_token:
            time, row_id = self._tokens.read(name, page_token)
            place = sa.tuple_(sa.literal(time, sa.BigInteger), sa.literal(row_id))
            query = query.where(sa.tuple_(request_log.c.start_time, request_log.c.id) < place)
        query = query.order_by(request_log.c.start_time.desc(), request_log.c.id.desc()).limit(page_size + 1)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        found = [
            LoggedCall(
                project_id=row.project_id,
                start_time=from_micros(row.start_time),
                **{column: getattr(row, column) for column in _COLUMNS},
            )
            for row in rows[:page_size]
        ]
        if len(rows) <= page_size:
            return found, ""
        last = rows[page_size - 1]
        return found, self._tokens.issue(name, [last.start_time, last.id])

    async def projects(self) -> builtins.list[str]:
        """Projects with calls in the log: one step of the index for each."""
        first = sa.select(sa.func.min(request_log.c.project_id)).where(
            request_log.c.project_id > sa.bindparam("after")
        )

        def work(connection: Connection) -> builtins.list[str]:
            found: builtins.list[str] = []
            while (project_id := connection.scalar(first, {"after": found[-1] if found else ""})) is not None:
                found.append(project_id)
            return found

        return await self._database.read(work)

    async def drop_old(self, project_id: str, keep: timedelta, *, limit: int = 5000) -> int:
        """Forgets calls that began longer ago than `keep`; how many."""
        before = to_micros(self._clock() - keep)
        ours = request_log.c.project_id == project_id
        old = sa.select(request_log.c.id).where(ours, request_log.c.start_time < before)
        old = old.order_by(request_log.c.start_time).limit(limit)
        statement = sa.delete(request_log).where(ours, request_log.c.id.in_(old))
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)
