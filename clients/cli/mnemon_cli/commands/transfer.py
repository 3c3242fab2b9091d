"""`mnemon import` and `export`: memories as files, one JSON object a line."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from mnemon import ImportMemoriesResponse, ImportRow, MnemonError
from mnemon.jsonl import read_rows, write_line
from mnemon_cli.failures import PARTIAL, CommandError
from mnemon_cli.options import (
    AgentId,
    AppId,
    AsOf,
    Filter,
    ProjectWide,
    RunId,
    UserId,
    read_as_of,
    read_object,
)
from mnemon_cli.session import Session, session_of

SHOWN_ERRORS = 20
"""Refused rows that are shown to people; programs get all that the server names."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("import")(import_memories)
    app.command("export")(export_memories)


def import_memories(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(help="A file of JSON lines (mem0's exports too); - for standard input.")
    ],
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, store nothing.")] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", "--request-id", help="Go on with this import after a break.")
    ] = None,
) -> None:
    """Store memories as they are, in bulk. Rows that name no scope get the one given here."""
    session = session_of(context)
    name = resume or str(uuid.uuid4())
    scope = session.scope(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
    rows = read_file(file)

    def send(moved: Callable[[int], None]) -> ImportMemoriesResponse:
        return session.client.import_memories(
            rows, **scope, dry_run=dry_run, request_id=name, on_progress=moved
        )

    try:
        with session.output.progress("importing", len(rows)) as moved:
            answer = send(moved)
    except (MnemonError, KeyboardInterrupt):
        session.output.note(f"go on with: mnemon import {file} --resume {name}")
        raise
    report(session, answer, name, dry_run=dry_run)
    if answer.result.refused_count:
        raise typer.Exit(PARTIAL)


def read_file(file: str) -> list[ImportRow]:
    """Every row of the file, each checked as far as it can be here."""
    if file == "-":
        return list(read_rows(sys.stdin))
    with Path(file).open(encoding="utf-8") as lines:
        return list(read_rows(lines))


def report(session: Session, answer: ImportMemoriesResponse, name: str, *, dry_run: bool) -> None:
    """Says what came of an import."""
    result = answer.result
    verb = "would be imported" if dry_run else "imported"
    lines = [
        f"{result.imported_count} {verb}, {result.duplicate_count} known, {result.refused_count} refused"
    ]
    lines += [f"  line {e.row}: {e.field or 'row'}: {e.message}" for e in result.errors[:SHOWN_ERRORS]]
    session.output.value({**answer.to_dict(), "request_id": name}, text="\n".join(lines), quiet=name)


def export_memories(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output if left out.")] = None,
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    project_wide: ProjectWide = False,
    filters: Filter = None,
    as_of: AsOf = None,
    show_deleted: Annotated[bool, typer.Option("--deleted", help="Deleted and expired ones too.")] = False,
    show_superseded: Annotated[bool, typer.Option("--superseded", help="Superseded ones too.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the export into this file that broke off.")
    ] = False,
) -> None:
    """Write memories to a file, one JSON object a line, as of one moment."""
    session = session_of(context)
    if file is None and resume:
        raise CommandError("USAGE", "--resume needs the file that the export was writing")
    if file is None and session.output.is_agent:
        raise CommandError("USAGE", "with --agent an export needs a file")
    selection: dict[str, Any] = {
        **session.scope(
            project_wide=project_wide, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id
        ),
        "project_wide": project_wide,
        "filters": read_object(filters, "--filter"),
        "as_of": read_as_of(as_of),
        "show_deleted": show_deleted,
        "show_superseded": show_superseded,
    }
    if file is None:
        write_all(session, selection, sys.stdout, None)
        return
    place = Place(file)
    with place.open(resume=resume) as target:
        count = place.count + write_all(session, {**selection, "resume_token": place.token}, target, place)
    place.finish()
    session.output.value({"exported_count": count, "file": str(file)}, text=f"{count} exported to {file}")


def write_all(session: Session, selection: dict[str, Any], target: TextIO, place: Place | None) -> int:
    """Writes every memory; how many. After each page the place is kept, for a later resume."""
    count = 0
    with (
        session.output.progress("exporting", None) as moved,
        session.client.export_memories(**selection) as memories,
    ):
        token = memories.resume_token
        for memory in memories:
            target.write(write_line(memory) + "\n")
            count += 1
            if place is not None and memories.resume_token != token:
                token = memories.resume_token
                place.keep(token, count, target)
                moved(count)
    return count


class Place:
    """How far an export into a file has come, kept in a file beside it until it is whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._beside = file.with_name(file.name + ".resume")
        self._partial = file.with_name(file.name + ".part")
        self.token = ""
        self.count = 0

    def open(self, *, resume: bool) -> TextIO:
        """The file to write on, cut to what is known to be whole."""
        if not resume:
            return self._partial.open("w", encoding="utf-8")
        try:
            kept = json.loads(self._beside.read_text("utf-8"))
        except FileNotFoundError:
            raise CommandError(
                "USAGE", f"there is no broken export into {self._file} to go on with"
            ) from None
        self.token, self.count = kept["token"], kept["count"]
        target = self._partial.open("r+", encoding="utf-8")
        target.truncate(kept["bytes"])
        target.seek(0, 2)
        return target

    def keep(self, token: str, written: int, target: TextIO) -> None:
        """Remembers that everything up to the token is in the file."""
        target.flush()
        size = self._partial.stat().st_size
        kept = {"token": token, "count": self.count + written, "bytes": size}
        self._beside.write_text(json.dumps(kept), "utf-8")

    def finish(self) -> None:
        """Puts the whole file in its place."""
        self._partial.replace(self._file)
        self._beside.unlink(missing_ok=True)
