"""`mnemon update`, `delete` and `restore`: change memories."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mnemon import UNSET
from mnemon_cli import columns
from mnemon_cli.commands.add import read_metadata
from mnemon_cli.commands.read import read_ids
from mnemon_cli.failures import CommandError
from mnemon_cli.options import (
    AgentId,
    AppId,
    Etag,
    Filter,
    Force,
    Ids,
    ProjectWide,
    Reason,
    RequestId,
    RunId,
    UserId,
    read_object,
    read_time,
)
from mnemon_cli.session import Session, session_of


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("update")(update)
    app.command("delete")(delete)
    app.command("restore")(restore)


def update(
    context: typer.Context,
    memory_id: Annotated[str, typer.Argument(help="The memory's id.")],
    text: Annotated[str | None, typer.Argument(help="The new statement.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", "-m", help="KEY=VALUE to set, KEY=null to remove.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option("--category", "-c", help="In place of the old.")
    ] = None,
    memory_type: Annotated[str | None, typer.Option("--type", help="semantic, episodic, procedural.")] = None,
    event_time: Annotated[str | None, typer.Option(help="When it happened.")] = None,
    expire_time: Annotated[str | None, typer.Option(help="When it ceases to be returned.")] = None,
    attributed_to: Annotated[str | None, typer.Option(help="Whose statement it is.")] = None,
    etag: Etag = "",
    reason: Reason = "",
    request_id: RequestId = None,
) -> None:
    """Change a memory; what is not named stays."""
    session = session_of(context)
    given: dict[str, Any] = {
        "text": text,
        "categories": category,
        "memory_type": memory_type,
        "event_time": read_time(event_time, "--event-time"),
        "expire_time": read_time(expire_time, "--expire-time"),
        "attributed_to": attributed_to,
    }
    changes: dict[str, Any] = {name: UNSET if value is None else value for name, value in given.items()}
    changes |= {"merge_metadata": read_metadata(metadata or []), "etag": etag, "reason": reason}
    memory = session.client.update(memory_id, **changes, request_id=request_id)
    session.output.item(memory, columns.ONE_MEMORY)


def delete(
    context: typer.Context,
    memory_ids: Annotated[list[str] | None, typer.Argument(help="Ids; - reads standard input.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the scope and --filter select.")] = False,
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    project_wide: ProjectWide = False,
    filters: Filter = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    force: Force = False,
    etag: Etag = "",
    reason: Reason = "",
    request_id: RequestId = None,
) -> None:
    """Delete memories; `restore` brings them back within the retention time."""
    session = session_of(context)
    if every == bool(memory_ids):
        raise CommandError("USAGE", "give ids, or --all with a scope")
    if not every:
        delete_by_id(
            session, read_ids(memory_ids or []), etag, reason, request_id, dry_run=dry_run, force=force
        )
        return
    selection: dict[str, Any] = {
        **session.scope(
            project_wide=project_wide, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id
        ),
        "project_wide": project_wide,
        "filters": read_object(filters, "--filter"),
    }
    count = session.client.delete_all(**selection, dry_run=True).matched_count
    if dry_run:
        session.output.value(
            {"matched_count": count, "dry_run": True}, text=f"{count} memories would be deleted"
        )
        return
    if count:
        session.confirm(f"Delete {count} memories?", force=force)
    answer = session.client.delete_all(**selection, reason=reason, request_id=request_id)
    text = f"{answer.matched_count} memories deleted"
    if answer.operation is not None:
        text = f"deleting {answer.matched_count} memories: mnemon event wait {answer.operation.id}"
    session.output.value(answer, text=text)


def delete_by_id(
    session: Session,
    ids: list[str],
    etag: str,
    reason: str,
    request_id: str | None,
    *,
    dry_run: bool,
    force: bool,
) -> None:
    """Deletes one memory, or several, all or none."""
    if dry_run:
        found = session.client.get_many(ids)
        session.output.items(found.memories, columns.MEMORY, title="would be deleted")
        return
    what = f"memory {ids[0]}" if len(ids) == 1 else f"{len(ids)} memories"
    session.confirm(f"Delete {what}?", force=force)
    if len(ids) == 1:
        memory = session.client.delete(ids[0], etag=etag, reason=reason, request_id=request_id)
        session.output.value(
            memory, text=f"deleted {memory.id}: {columns.short(memory.text)}", quiet=memory.id
        )
        return
    count = session.client.delete_many(ids, reason=reason, request_id=request_id)
    session.output.value({"deleted_count": count}, text=f"{count} memories deleted", quiet="\n".join(ids))


def restore(context: typer.Context, memory_ids: Ids, etag: Etag = "") -> None:
    """Bring deleted or expired memories back."""
    session = session_of(context)
    restored = [session.client.restore(memory_id, etag=etag) for memory_id in read_ids(memory_ids)]
    session.output.items(restored, columns.MEMORY)
