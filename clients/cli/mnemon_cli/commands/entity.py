"""`mnemon entity`: users, agents, apps and runs with memories, and named things."""

from __future__ import annotations

from typing import Annotated

import typer

from mnemon_cli import columns
from mnemon_cli.options import AgentId, AppId, Force, Limit, RunId, UserId
from mnemon_cli.session import named, session_of

app = typer.Typer(name="entity", help="Users, agents, apps and runs with memories, and named things.")


@app.command("list")
def list_entities(
    context: typer.Context,
    kind: Annotated[
        str | None, typer.Option(help="user, agent, app, run or named; the first four if left out.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Only ids that begin so.")] = "",
    order: Annotated[
        str | None, typer.Option(help="last_activity_desc, id_asc or memory_count_desc.")
    ] = None,
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    limit: Limit = 50,
) -> None:
    """List them with their counts and last activity."""
    session = session_of(context)
    of_named = (kind or "").lower() == "named"
    everything = session.scope(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
    scope = everything if of_named else named()
    pager = session.client.admin.entities.list(
        kind=kind, id_prefix=prefix, order=order, page_size=min(limit, 500), **scope
    )
    session.output.items(pager.collect(limit), columns.ENTITY)


@app.command("delete")
def delete_entity(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="user, agent, app or run.")],
    entity_id: Annotated[str, typer.Argument(help="Its id.")],
    force: Force = False,
) -> None:
    """Delete a user, agent, app or run with all its memories, in the background."""
    session = session_of(context)
    session.confirm(f"Delete {kind.lower()} {entity_id} with all its memories?", force=force)
    operation = session.client.admin.entities.delete(kind, entity_id)
    session.output.item(operation, columns.OPERATION)
