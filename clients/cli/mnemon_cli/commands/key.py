"""`mnemon key`: API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from mnemon import ApiKey
from mnemon_cli import columns
from mnemon_cli.options import AgentId, AppId, Force, Limit, RunId, UserId, read_span, read_time
from mnemon_cli.session import Session, named, session_of

app = typer.Typer(name="key", help="API keys.")
KeyId = Annotated[str, typer.Argument(help="The key's id.")]
ProjectId = Annotated[str, typer.Option("--project", help="The project; the key's own if left out.")]


@app.command("create")
def create(
    context: typer.Context,
    role: Annotated[str, typer.Argument(help="reader, writer, admin or root.")],
    name: Annotated[str, typer.Option(help="For people.")] = "",
    project: ProjectId = "",
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    expire_time: Annotated[str | None, typer.Option(help="When it ends.")] = None,
) -> None:
    """Make a key; its secret is shown this once. With scope options it is bound to that scope."""
    session = session_of(context)
    given = {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
    answer = session.client.admin.keys.create(
        role,
        project_id=project,
        display_name=name,
        expire_time=read_time(expire_time, "--expire-time"),
        # Not the defaults of the configuration: a key is bound only on purpose.
        **named(**given),
    )
    show_secret(session, answer.api_key, answer.secret)


@app.command("list")
def list_keys(
    context: typer.Context,
    project: ProjectId = "",
    ended: Annotated[bool, typer.Option("--ended", help="Revoked and expired ones too.")] = False,
    limit: Limit = 50,
) -> None:
    """List keys, without their secrets."""
    session = session_of(context)
    pager = session.client.admin.keys.list(project_id=project, show_ended=ended, page_size=min(limit, 500))
    session.output.items(pager.collect(limit), columns.KEY)


@app.command("revoke")
def revoke(context: typer.Context, key_id: KeyId, force: Force = False) -> None:
    """End a key now."""
    session = session_of(context)
    session.confirm(f"Revoke key {key_id}?", force=force)
    session.output.item(session.client.admin.keys.revoke(key_id), columns.KEY)


@app.command("rotate")
def rotate(
    context: typer.Context,
    key_id: KeyId,
    overlap: Annotated[str | None, typer.Option(help="How long the old one still works: 24h.")] = None,
) -> None:
    """Make a key like another and end the other after an overlap."""
    session = session_of(context)
    answer = session.client.admin.keys.rotate(key_id, overlap=read_span(overlap, "--overlap"))
    show_secret(session, answer.api_key, answer.secret)


def show_secret(session: Session, key: ApiKey, secret: str) -> None:
    """Shows a new key; `-o quiet` gives the secret alone, for a script to keep."""
    text = f"{secret}\n\nThis is the only time it is shown. Key {key.id}, role {key.role.lower()}."
    session.output.value({"api_key": key.to_dict(), "secret": secret}, text=text, quiet=secret)
