"""Projects: the tenants of the record."""

from __future__ import annotations

import builtins
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound, Reason
from mnemon_service.record.committing import NOTIFY
from mnemon_service.record.database import Database, Work
from mnemon_service.record.dialects import any_of
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.rows import checked_text
from mnemon_service.record.schema import memories, metadata, projects
from mnemon_service.record.times import Clock, from_micros, to_micros

SERVER_PROJECT: Final = "_server"
"""Holds the operations of root, who belongs to no project. No key opens it, no list shows it: the ids of
projects begin with a letter, so it sorts before them all."""


class ProjectState(enum.StrEnum):
    """Whether a project may be used."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    DELETING = "DELETING"


@dataclass(frozen=True, slots=True)
class Project:
    """One tenant."""

    id: str
    display_name: str
    state: ProjectState
    last_sequence: int
    create_time: datetime
    update_time: datetime

    @property
    def etag(self) -> str:
        """Changes with each change of the project; adding memories is none."""
        return f'"{to_micros(self.update_time):x}"'


_COLUMNS: Final = [
    projects.c[name]
    for name in ("id", "display_name", "state", "last_sequence", "create_time", "update_time")
]
_GET: Final = sa.select(*_COLUMNS).where(projects.c.id == sa.bindparam("project_id"))
_LIST: Final = (
    sa.select(*_COLUMNS)
    .where(projects.c.id > sa.bindparam("after"))
    .order_by(projects.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)

_COUNT: Final = (
    sa.select(memories.c.project_id, sa.func.count())
    .where(any_of(memories.c.project_id, "ids"))
    .group_by(memories.c.project_id)
)


def _nothing(_: Connection) -> None:
    """What happens beside a change if nothing is asked for."""


class Projects:
    """Care of the tenants."""

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens

    async def create(
        self, project_id: str, display_name: str = "", *, beside: Work[object] = _nothing
    ) -> Project:
        """A new project, with what `beside` does in the same transaction. Raises `AlreadyExists`."""
        values = self._new(project_id, display_name)
        dialect = self._database.dialect

        def work(connection: Connection) -> Project:
            try:
                connection.execute(sa.insert(projects), values)
            except sa.exc.IntegrityError as error:
                raise AlreadyExists("there is a project of this id already") from error
            beside(connection)
            if dialect.name == "postgresql":
                # Replicas that knew an erased project of this id begin at its log's beginning again.
                connection.execute(NOTIFY, {"payload": f"0 {project_id}"})
            return _get(connection, project_id)

        return await self._database.write(work)

    async def ensure(self, project_id: str, display_name: str = "") -> Project:
        """The project, made if it is not there."""
        values = self._new(project_id, display_name)
        dialect = self._database.dialect

        def work(connection: Connection) -> Project:
            connection.execute(dialect.insert(projects).on_conflict_do_nothing(), values)
            return _get(connection, project_id)

        return await self._database.write(work)

    def _new(self, project_id: str, display_name: str) -> dict[str, Any]:
        now = to_micros(self._clock())
        return {
            "id": checked_text("id", project_id),
            "display_name": checked_text("display_name", display_name),
            "state": ProjectState.ACTIVE.value,
            "create_time": now,
            "update_time": now,
        }

    async def get(self, project_id: str) -> Project:
        """Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        return await self._database.read(lambda connection: _get(connection, project_id))

    def reading(self, project_id: str) -> Work[Project]:
        """A part of a transaction: reads the project."""
        return lambda connection: _get(connection, project_id)

    async def memory_counts(self, project_ids: Sequence[str]) -> dict[str, int]:
        """How many memories, in any state, each of these projects holds."""
        parameters = {"ids": list(project_ids)}

        def work(connection: Connection) -> dict[str, int]:
            found = {row[0]: row[1] for row in connection.execute(_COUNT, parameters)}
            return dict.fromkeys(project_ids, 0) | found

        return await self._database.read(work)

    async def list(self, *, page_size: int = 50, page_token: str = "") -> tuple[builtins.list[Project], str]:
        """A page of all projects by id, and the next page's token."""
        after = self._tokens.read("projects", page_token)[0] if page_token else SERVER_PROJECT
        parameters = {"after": after, "limit": page_size + 1}

        def work(connection: Connection) -> builtins.list[Project]:
            return [_project_of(row) for row in connection.execute(_LIST, parameters)]

        found = await self._database.read(work)
        more = len(found) > page_size
        return found[:page_size], self._tokens.issue("projects", [found[page_size - 1].id]) if more else ""

    async def ids(self) -> builtins.list[str]:
        """The ids of all projects, sorted: for what goes over all of them from time to time."""
        query = sa.select(projects.c.id).order_by(projects.c.id)
        return await self._database.read(lambda connection: list(connection.scalars(query)))

    async def update(
        self,
        project_id: str,
        *,
        display_name: str | None = None,
        state: ProjectState | None = None,
        etag: str = "",
        beside: Work[object] = _nothing,
    ) -> Project:
        """Change what is given, with what `beside` does in the same transaction. Raises `NotFound`
        (RESOURCE_NOT_FOUND), `Aborted` (ETAG_MISMATCH, metadata `etag`) if an `etag` is given that is not
        the present one."""
        values: dict[str, Any] = {"update_time": to_micros(self._clock())}
        if display_name is not None:
            values["display_name"] = checked_text("display_name", display_name)
        if state is not None:
            values["state"] = state.value

        def work(connection: Connection) -> Project:
            before = _get(connection, project_id, lock=True)
            if etag and etag != before.etag:
                raise Aborted("the project was changed", metadata={"etag": before.etag})
            if before.state is ProjectState.DELETING:
                raise FailedPrecondition("the project is being deleted", reason=Reason.PROJECT_DISABLED)
            values["update_time"] = max(values["update_time"], to_micros(before.update_time) + 1)
            connection.execute(sa.update(projects).where(projects.c.id == project_id).values(values))
            beside(connection)
            return _get(connection, project_id)

        return await self._database.write(work)

    def marking_deleted(self, project_id: str) -> Work[Project]:
        """A part of a transaction: from its end on nobody reads or writes in the project. Raises
        `NotFound` (RESOURCE_NOT_FOUND)."""
        values = {"state": ProjectState.DELETING.value, "update_time": to_micros(self._clock())}

        def work(connection: Connection) -> Project:
            _get(connection, project_id, lock=True)
            connection.execute(sa.update(projects).where(projects.c.id == project_id).values(values))
            return _get(connection, project_id)

        return work

    async def erase(self, project_id: str, *, chunk: int = 1000) -> int:
        """Delete every row of the project, `chunk` a transaction, its own last; the number of rows.

        Every table with a column `project_id` is emptied, those of later migrations too. Set the state
        to DELETING first, so that nobody writes meanwhile.
        """
        deleted = 0
        for table in metadata.sorted_tables:
            if "project_id" in table.c:
                while step := await self._database.write(_chunk(table, project_id, chunk)):
                    deleted += step
        last = sa.delete(projects).where(projects.c.id == project_id)
        return deleted + await self._database.write(lambda c: c.execute(last).rowcount)


def _chunk(table: sa.Table, project_id: str, limit: int) -> Callable[[Connection], int]:
    key = sa.tuple_(*table.primary_key.columns)
    some = sa.select(*table.primary_key.columns).where(table.c.project_id == project_id).limit(limit)
    statement = sa.delete(table).where(key.in_(some))
    return lambda connection: connection.execute(statement).rowcount


def _get(connection: Connection, project_id: str, *, lock: bool = False) -> Project:
    query = _GET.with_for_update() if lock else _GET
    row = connection.execute(query, {"project_id": project_id}).one_or_none()
    if row is None:
        raise NotFound("there is no such project", reason=Reason.RESOURCE_NOT_FOUND)
    return _project_of(row)


def _project_of(row: Any) -> Project:  # noqa: ANN401
    return Project(
        id=row.id,
        display_name=row.display_name,
        state=ProjectState(row.state),
        last_sequence=row.last_sequence,
        create_time=from_micros(row.create_time),
        update_time=from_micros(row.update_time),
    )
