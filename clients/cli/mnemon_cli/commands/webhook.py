"""`mnemon webhook`: addresses that changes are sent to."""

from __future__ import annotations

from typing import Annotated

import typer

from mnemon import UNSET
from mnemon_cli import columns
from mnemon_cli.options import AgentId, AppId, Etag, Force, Limit, RunId, UserId
from mnemon_cli.session import named, session_of

app = typer.Typer(name="webhook", help="Addresses that changes are sent to.")
WebhookId = Annotated[str, typer.Argument(help="The webhook's id.")]
Events = Annotated[
    list[str] | None, typer.Option("--event", "-e", help="added, updated, deleted …; all if left out.")
]


@app.command("create")
def create(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where to.")],
    name: Annotated[str, typer.Option(help="For people.")] = "",
    event: Events = None,
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    without_content: Annotated[bool, typer.Option("--without-content", help="Ids and events only.")] = False,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="The whole log.")] = False,
) -> None:
    """Make a webhook; its signing secret is shown this once."""
    session = session_of(context)
    given = {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
    answer = session.client.admin.webhooks.create(
        url,
        display_name=name,
        events=event or [],
        without_content=without_content,
        from_beginning=from_beginning,
        **named(**given),
    )
    text = f"{answer.secret}\n\nThis is the only time it is shown. Webhook {answer.webhook.id}."
    session.output.value(answer, text=text, quiet=answer.secret)


@app.command("get")
def get(context: typer.Context, webhook_id: WebhookId) -> None:
    """Show a webhook."""
    session = session_of(context)
    session.output.item(session.client.admin.webhooks.get(webhook_id), columns.WEBHOOK)


@app.command("list")
def list_webhooks(context: typer.Context, limit: Limit = 50) -> None:
    """List webhooks."""
    session = session_of(context)
    pager = session.client.admin.webhooks.list(page_size=min(limit, 500))
    session.output.items(pager.collect(limit), columns.WEBHOOK)


@app.command("update")
def update(
    context: typer.Context,
    webhook_id: WebhookId,
    url: Annotated[str | None, typer.Option(help="A new address.")] = None,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    event: Events = None,
    state: Annotated[str | None, typer.Option(help="active or paused.")] = None,
    etag: Etag = "",
) -> None:
    """Change a webhook."""
    session = session_of(context)
    webhook = session.client.admin.webhooks.update(
        webhook_id,
        url=UNSET if url is None else url,
        display_name=UNSET if name is None else name,
        events=UNSET if event is None else event,
        state=UNSET if state is None else state,
        etag=etag,
    )
    session.output.item(webhook, columns.WEBHOOK)


@app.command("delete")
def delete(context: typer.Context, webhook_id: WebhookId, force: Force = False) -> None:
    """Delete a webhook and its deliveries."""
    session = session_of(context)
    session.confirm(f"Delete webhook {webhook_id}?", force=force)
    session.client.admin.webhooks.delete(webhook_id)
    session.output.value({"id": webhook_id}, text=f"deleted {webhook_id}", quiet=webhook_id)


@app.command("test")
def test(context: typer.Context, webhook_id: WebhookId) -> None:
    """Send a test event now and show what came back."""
    session = session_of(context)
    session.output.item(session.client.admin.webhooks.test(webhook_id), columns.DELIVERY)


@app.command("deliveries")
def deliveries(
    context: typer.Context,
    webhook_id: WebhookId,
    state: Annotated[
        str | None, typer.Option(help="pending, succeeded or failed (the dead letters).")
    ] = None,
    limit: Limit = 50,
) -> None:
    """List deliveries, newest first."""
    session = session_of(context)
    pager = session.client.admin.webhooks.list_deliveries(webhook_id, state=state, page_size=min(limit, 500))
    session.output.items(pager.collect(limit), columns.DELIVERY)
