"""Brings a database to the schema of this release, or to another one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.record.database import Database

_LOCK_KEY: Final = 0x6D6E656D6F6E
"""PostgreSQL's advisory lock of migrations: "mnemon" in ASCII."""


async def migrate(database: Database, revision: str = "head") -> None:
    """Take the schema to a revision, in one transaction under a lock: replicas that start together wait
    for the first one, and a crash leaves the schema as it was.

    Raises `FailedPrecondition` for a database that a newer release has migrated.
    """
    if revision == "head" and await database.read(current_revision) == newest_revision():
        return
    await database.write(lambda connection: _run(connection, revision))


def current_revision(connection: Connection) -> str | None:
    """The revision that a database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """The revision of this release."""
    return ScriptDirectory.from_config(_configuration()).get_current_head()


def revisions() -> list[str]:
    """All revisions, oldest first."""
    steps = ScriptDirectory.from_config(_configuration()).walk_revisions()
    return [step.revision for step in steps][::-1]


def _configuration(connection: Connection | None = None) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    configuration.attributes["connection"] = connection
    return configuration


def _run(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    current, known = current_revision(connection), revisions()
    if current is not None and current not in known:
        raise FailedPrecondition(
            "a newer release has migrated this database; start that one", reason=Reason.INTERNAL
        )
    target = newest_revision() if revision == "head" else revision
    configuration = _configuration(connection)
    if target in known and current in known and known.index(target) < known.index(current):
        command.downgrade(configuration, str(target))
    elif revision == "base":
        command.downgrade(configuration, "base")
    else:
        command.upgrade(configuration, str(target))
