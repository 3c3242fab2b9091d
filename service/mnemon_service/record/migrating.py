"""Brings a database to the schema of this release, or to another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.record.database import Database

if TYPE_CHECKING:  # alembic takes a third of a second to load; a database that is up to date needs it not
    from alembic.config import Config

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
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
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def newest_revision() -> str:
    """The revision of this release: the number of the last file of migrations."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def revisions() -> list[str]:
    """All revisions, oldest first."""
    from alembic.script import ScriptDirectory

    steps = ScriptDirectory.from_config(_configuration()).walk_revisions()
    return [step.revision for step in steps][::-1]


def _configuration(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(_MIGRATIONS))
    configuration.attributes["connection"] = connection
    return configuration


def _run(connection: Connection, revision: str) -> None:
    from alembic import command

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
