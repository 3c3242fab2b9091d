"""`mnemon list`, `get` and `history`: read memories."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mnemon_cli import columns
from mnemon_cli.failures import NOT_FOUND, CommandError
from mnemon_cli.options import (
    AgentId,
    AppId,
    AsOf,
    Filter,
    Ids,
    Limit,
    ProjectWide,
    RunId,
    UserId,
    read_as_of,
    read_object,
)
from mnemon_cli.session import session_of


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("list")(list_memories)
    app.command("get")(get)
    app.command("history")(history)


def list_memories(
    context: typer.Context,
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    project_wide: ProjectWide = False,
    filters: Filter = None,
    order: Annotated[
        str | None, typer.Option(help="create_time_desc, create_time_asc, update_time_desc, update_time_asc.")
    ] = None,
    limit: Limit = 50,
    as_of: AsOf = None,
    show_deleted: Annotated[bool, typer.Option("--deleted", help="Deleted and expired ones too.")] = False,
    show_superseded: Annotated[bool, typer.Option("--superseded", help="Superseded ones too.")] = False,
) -> None:
    """List memories, newest first."""
    session = session_of(context)
    scope = session.scope(
        project_wide=project_wide, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id
    )
    pager = session.client.list(
        **scope,
        project_wide=project_wide,
        filters=read_object(filters, "--filter"),
        order=order,
        page_size=min(limit, 500),
        as_of=read_as_of(as_of),
        show_deleted=show_deleted,
        show_superseded=show_superseded,
    )
    session.output.items(pager.collect(limit), columns.MEMORY)


def get(context: typer.Context, memory_ids: Ids, as_of: AsOf = None) -> None:
    """Show memories by id."""
    session = session_of(context)
    ids = read_ids(memory_ids)
    if len(ids) == 1:
        session.output.item(session.client.get(ids[0], as_of=read_as_of(as_of)), columns.ONE_MEMORY)
        return
    answer = session.client.get_many(ids, as_of=read_as_of(as_of))
    if answer.missing_ids:
        missing = ", ".join(answer.missing_ids)
        raise CommandError(
            "MEMORY_NOT_FOUND", f"not found: {missing}", "`mnemon list` shows the ids", NOT_FOUND
        )
    session.output.items(answer.memories, columns.MEMORY)


def history(
    context: typer.Context, memory_id: Annotated[str, typer.Argument(help="The memory's id.")]
) -> None:
    """Show every version of a memory."""
    session = session_of(context)
    session.output.items(session.client.history(memory_id), columns.VERSION)


def read_ids(given: list[str]) -> list[str]:
    """The ids, those of standard input in place of a dash."""
    ids: list[str] = []
    for one in given:
        ids += sys.stdin.read().split() if one == "-" else [one]
    if not ids:
        raise CommandError("USAGE", "give at least one id")
    return ids
