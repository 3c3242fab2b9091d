"""Projects: the tenants of the record."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


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


class Projects:
    """Care of the tenants."""

    async def create(self, project_id: str, display_name: str = "") -> Project:
        """A new project. Raises `AlreadyExists`."""
        raise NotImplementedError

    async def ensure(self, project_id: str, display_name: str = "") -> Project:
        """The project, made if it is not there."""
        raise NotImplementedError

    async def get(self, project_id: str) -> Project:
        """Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        raise NotImplementedError

    async def list(self, *, page_size: int = 50, page_token: str = "") -> tuple[list[Project], str]:
        """All projects by id."""
        raise NotImplementedError

    async def update(
        self, project_id: str, *, display_name: str | None = None, state: ProjectState | None = None
    ) -> Project:
        """Change what is given."""
        raise NotImplementedError

    async def erase(self, project_id: str, *, chunk: int = 1000) -> int:
        """Delete every row of the project, in chunks, last its own; the number of rows."""
        raise NotImplementedError
