"""`mnemon event`: operations in the background."""

from __future__ import annotations

from typing import Annotated

import typer

from mnemon_cli import columns
from mnemon_cli.failures import OPERATION_FAILED, UNAVAILABLE
from mnemon_cli.options import Limit, read_span
from mnemon_cli.session import session_of

app = typer.Typer(name="event", help="Operations in the background: adds, imports, deletions, erasures.")
OperationId = Annotated[str, typer.Argument(help="The operation's id.")]


@app.command("list")
def list_operations(
    context: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option(help="pending, running, succeeded, failed, cancelled.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="add_memories, import_memories, erase_subject …")
    ] = None,
    limit: Limit = 50,
) -> None:
    """List operations, newest first."""
    session = session_of(context)
    pager = session.client.admin.operations.list(
        states=state or [], kinds=kind or [], page_size=min(limit, 500)
    )
    session.output.items(pager.collect(limit), columns.OPERATION)


@app.command("status")
def status(context: typer.Context, operation_id: OperationId) -> None:
    """Show one operation as it is."""
    session = session_of(context)
    session.output.item(session.client.admin.operations.get(operation_id), columns.OPERATION)


@app.command("wait")
def wait(
    context: typer.Context,
    operation_id: OperationId,
    longest: Annotated[str | None, typer.Option("--for", help="At most this long: 30s, 5m.")] = None,
) -> None:
    """Wait until an operation has ended; exits with 14 if it failed, 9 if the time was over."""
    session = session_of(context)
    span = read_span(longest, "--for")
    operation = session.client.admin.operations.wait(
        operation_id, timeout=None if span is None else span.total_seconds()
    )
    session.output.item(operation, columns.OPERATION)
    if not operation.done:
        raise typer.Exit(UNAVAILABLE)
    if operation.state != "SUCCEEDED":
        raise typer.Exit(OPERATION_FAILED)
