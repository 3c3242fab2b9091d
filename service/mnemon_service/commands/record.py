"""migrate, backup, restore: care of the record."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mnemon_service.commands.common import ConfigOption, DataDirOption, console, refuse, run, settings_of
from mnemon_service.settings import Settings


def migrate(
    to: Annotated[str, typer.Option(help="Revision to go to, up or down; the newest if left out.")] = "head",
    show: Annotated[bool, typer.Option("--show", help="Only say where the schema is.")] = False,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
) -> None:
    """Bring the record's schema to this release, or to another revision; `serve` does the first by itself."""
    settings = settings_of(config, data_dir=data_dir)
    current, target = run(_migrate(settings, to, show=show))
    console().print(f"schema {current or 'empty'} -> {target}" if current != target else f"schema {current}")


async def _migrate(settings: Settings, to: str, *, show: bool) -> tuple[str | None, str | None]:
    from mnemon_service.app.offline import database_location
    from mnemon_service.record.database import database_at
    from mnemon_service.record.migrating import current_revision, newest_revision, revisions
    from mnemon_service.record.migrating import migrate as take

    known = revisions()
    if to not in ("head", "base", *known):
        refuse(f"there is no revision {to}; this release knows {', '.join(known)}")
    location = database_location(settings)
    if isinstance(location, Path) and not location.exists():
        refuse(f"there is no record at {location}")
    database = database_at(location, readers=1, connections=1)
    try:
        current = await database.read(current_revision)
        if not show:
            await take(database, to)
    finally:
        await database.close()
    return current, newest_revision() if to == "head" else to


def backup(
    path: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
) -> None:
    """Copy the record to a file, also while a server uses it. The index is not needed: it follows from
    the record. On PostgreSQL, prints the command that does it and ends with status 1."""
    settings = settings_of(config, data_dir=data_dir)
    if address := _postgresql(settings):
        refuse(f"PostgreSQL makes its own copies: pg_dump --format=custom --file={path} '{address}'")
    size = run(_backup(settings, path))
    console().print(f"{path}: {size:,} bytes, whole and checked")


async def _backup(settings: Settings, path: Path) -> int:
    from mnemon_service.app.offline import database_location
    from mnemon_service.record.backup import back_up

    return back_up(Path(database_location(settings)), path)


def restore(
    path: Annotated[Path, typer.Argument(help="A file that `backup` has written.")],
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
) -> None:
    """Put a copy in the record's place; the record that was there is kept beside it. Stop the server
    first. The index is compared with the record at the next start."""
    settings = settings_of(config, data_dir=data_dir)
    if address := _postgresql(settings):
        refuse(
            "PostgreSQL takes its own copies back, with every server stopped: "
            f"pg_restore --clean --if-exists --single-transaction --dbname='{address}' {path}"
        )
    before = run(_restore(settings, path))
    console().print(f"restored from {path}" + (f"; the record before is {before}" if before else ""))


async def _restore(settings: Settings, path: Path) -> Path | None:
    from mnemon_service.app.index_choice import INDEX_DIRECTORY
    from mnemon_service.app.offline import DATABASE_FILE
    from mnemon_service.data_directory import DataDirectory
    from mnemon_service.index.marker import OpenMarker
    from mnemon_service.record.backup import restore as put_back

    directory = DataDirectory(settings.data_dir)
    directory.acquire()
    try:
        before = put_back(path, directory.path / DATABASE_FILE, datetime.now(UTC))
        OpenMarker(directory.path / INDEX_DIRECTORY).put()
    finally:
        directory.release()
    return before


def _postgresql(settings: Settings) -> str:
    """The address of the record without its password; empty for SQLite."""
    from mnemon_service.record.database import is_postgresql, postgresql_url, without_password

    location = settings.database_url.get_secret_value()
    if not is_postgresql(location):
        return ""
    return without_password(postgresql_url(location))
