"""`mnemon watch`: follow changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Annotated

import typer

from mnemon import Version, Watch
from mnemon_cli import columns
from mnemon_cli.failures import CommandError
from mnemon_cli.options import (
    AgentId,
    AppId,
    Filter,
    ProjectWide,
    RunId,
    UserId,
    read_object,
    read_span,
)
from mnemon_cli.session import session_of


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("watch")(watch)


def watch(
    context: typer.Context,
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    project_wide: ProjectWide = False,
    filters: Filter = None,
    event: Annotated[
        list[str] | None, typer.Option("--event", "-e", help="added, updated, deleted …")
    ] = None,
    after: Annotated[
        int | None, typer.Option(help="Begin after this place in the log; 0: all of it.")
    ] = None,
    resume_token: Annotated[str | None, typer.Option(help="Go on where another watch stopped.")] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after so many changes.")
    ] = None,
    duration: Annotated[str | None, typer.Option("--for", help="End after this time: 30s, 5m.")] = None,
) -> None:
    """Follow changes as they happen, until interrupted."""
    session = session_of(context)
    if session.output.is_agent and count is None and duration is None:
        raise CommandError("USAGE", "with --agent a watch must end: give --count or --for")
    scope = session.scope(
        project_wide=project_wide, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id
    )
    span = read_span(duration, "--for")
    with session.client.watch(
        **scope,
        project_wide=project_wide,
        filters=read_object(filters, "--filter"),
        events=event or [],
        after_sequence=after,
        resume_token=resume_token,
    ) as changes:
        timer = None if span is None else threading.Timer(span.total_seconds(), changes.close)
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            session.output.stream(taken(changes, count), columns.CHANGE_SEEN)
        except KeyboardInterrupt:
            session.output.note("stopped")
        finally:
            if timer is not None:
                timer.cancel()
    if changes.resume_token:
        session.output.note(f"go on with --resume-token {changes.resume_token}")


def taken(changes: Watch, count: int | None) -> Iterator[Version]:
    """The first so many changes, or all."""
    for number, change in enumerate(changes, start=1):
        yield change
        if number == count:
            return
