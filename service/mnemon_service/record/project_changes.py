"""Changes of projects with their entries in the audit log, in one transaction each."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.engine import Connection

from mnemon_service.model.errors import NotFound
from mnemon_service.record.audit import Audit, AuditEvent
from mnemon_service.record.database import Work
from mnemon_service.record.freshness import FreshCache, Freshness, move_revision
from mnemon_service.record.idempotency import keep_answer
from mnemon_service.record.projects import Project, Projects, ProjectState
from mnemon_service.record.selection import Access, RequestKey
from mnemon_service.record.times import Clock, to_micros


class ProjectChanges:
    """What root does to projects."""

    def __init__(self, projects: Projects, clock: Clock, audit: Audit, freshness: Freshness) -> None:
        self._projects = projects
        self._clock = clock
        self._audit = audit
        self._freshness = freshness
        self._states: FreshCache[str, ProjectState | None] = FreshCache(freshness, self._load_state)

    async def state_of(self, project_id: str) -> ProjectState | None:
        """The project's state as it was at most a second ago; None if there is no such project."""
        return await self._states.get(project_id)

    async def _load_state(self, project_id: str) -> ProjectState | None:
        try:
            return (await self._projects.get(project_id)).state
        except NotFound:
            return None

    async def create(
        self,
        project_id: str,
        display_name: str,
        event: AuditEvent,
        request: RequestKey | None,
        encode: Callable[[Project], bytes],
    ) -> Project:
        """A new project; what `encode` makes of it is kept as the answer to `request`. Raises
        `AlreadyExists`."""
        read = self._projects.reading(project_id)

        def beside(connection: Connection) -> None:
            if request is not None:
                answer, now = encode(read(connection)), to_micros(self._clock())
                keep_answer(connection, Access(project_id), request, answer, (), now)
            self._audit.append(connection, event)
            move_revision(connection)

        project = await self._projects.create(project_id, display_name, beside=beside)
        self._freshness.changed()
        return project

    async def update(
        self,
        project_id: str,
        event: AuditEvent,
        *,
        display_name: str | None = None,
        state: ProjectState | None = None,
        etag: str = "",
    ) -> Project:
        """As `Projects.update`; in force on every replica within a second."""

        def beside(connection: Connection) -> None:
            self._audit.append(connection, event)
            move_revision(connection)

        project = await self._projects.update(
            project_id, display_name=display_name, state=state, etag=etag, beside=beside
        )
        self._freshness.changed()
        return project

    def deleting(self, project_id: str, event: AuditEvent) -> Work[None]:
        """A part of a transaction: closes the project for its deletion. Call `deletion_began` after the
        commit. Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        mark = self._projects.marking_deleted(project_id)

        def work(connection: Connection) -> None:
            mark(connection)
            self._audit.append(connection, event)
            move_revision(connection)

        return work

    def deletion_began(self) -> None:
        """A transaction with `deleting` was committed."""
        self._freshness.changed()
