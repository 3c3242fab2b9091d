"""`mnemon project`: tenants (role root)."""

from __future__ import annotations

from typing import Annotated

import typer

from mnemon import UNSET
from mnemon_cli import columns
from mnemon_cli.options import Etag, Force, Limit
from mnemon_cli.session import session_of

app = typer.Typer(name="project", help="Tenants (role root).")
ProjectId = Annotated[str, typer.Argument(help="The project's id.")]


@app.command("create")
def create(
    context: typer.Context,
    project_id: ProjectId,
    name: Annotated[str, typer.Option(help="For people.")] = "",
) -> None:
    """Make a project."""
    session = session_of(context)
    session.output.item(session.client.admin.projects.create(project_id, display_name=name), columns.PROJECT)


@app.command("get")
def get(
    context: typer.Context,
    project_id: Annotated[str, typer.Argument(help="Its id; the key's own if left out.")] = "",
) -> None:
    """Show a project."""
    session = session_of(context)
    session.output.item(session.client.admin.projects.get(project_id), columns.PROJECT)


@app.command("list")
def list_projects(context: typer.Context, limit: Limit = 50) -> None:
    """List projects."""
    session = session_of(context)
    pager = session.client.admin.projects.list(page_size=min(limit, 500))
    session.output.items(pager.collect(limit), columns.PROJECT)


@app.command("update")
def update(
    context: typer.Context,
    project_id: ProjectId,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    state: Annotated[str | None, typer.Option(help="active or disabled.")] = None,
    etag: Etag = "",
) -> None:
    """Rename a project, or switch it off and on."""
    session = session_of(context)
    project = session.client.admin.projects.update(
        project_id,
        display_name=UNSET if name is None else name,
        state=UNSET if state is None else state,
        etag=etag,
    )
    session.output.item(project, columns.PROJECT)


@app.command("delete")
def delete(context: typer.Context, project_id: ProjectId, force: Force = False) -> None:
    """Erase a project with everything in it, in the background. Nothing of it can be restored."""
    session = session_of(context)
    session.confirm(f"Erase project {project_id} with everything in it?", force=force)
    operation = session.client.admin.projects.delete(project_id, confirm_project_id=project_id)
    session.output.item(operation, columns.OPERATION)
