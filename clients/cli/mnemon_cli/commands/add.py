"""`mnemon add`: remember texts and conversations."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mnemon_cli import columns
from mnemon_cli.failures import CommandError
from mnemon_cli.options import (
    AgentId,
    AppId,
    RequestId,
    RunId,
    UserId,
    read_json,
    read_object,
    read_pairs,
    read_span,
    read_time,
)
from mnemon_cli.session import session_of


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("add")(add)


def add(
    context: typer.Context,
    text: Annotated[
        list[str] | None, typer.Argument(help="What to remember; - or nothing reads standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", exists=True, dir_okay=False, help="Read the text from a file.")
    ] = None,
    messages: Annotated[
        bool,
        typer.Option(
            "--messages", help='The input is a conversation: JSON [{"role": …, "content": …}] or JSONL.'
        ),
    ] = False,
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    infer: Annotated[
        bool | None, typer.Option("--infer/--no-infer", help="Extract facts, or store as it is.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", "-m", help="KEY=VALUE, or JSON.")
    ] = None,
    category: Annotated[list[str] | None, typer.Option("--category", "-c")] = None,
    memory_type: Annotated[str | None, typer.Option("--type", help="semantic, episodic, procedural.")] = None,
    ttl: Annotated[str | None, typer.Option(help="How long it is kept: 90s, 12h, 30d.")] = None,
    expire_time: Annotated[str | None, typer.Option(help="When it ceases to be returned.")] = None,
    event_time: Annotated[str | None, typer.Option(help="When it happened.")] = None,
    instructions: Annotated[str, typer.Option(help="What to look for or leave alone.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, store nothing.")] = False,
    background: Annotated[
        bool, typer.Option("--background", help="Do it in the background; prints the operation.")
    ] = False,
    request_id: RequestId = None,
) -> None:
    """Remember a text or a conversation."""
    session = session_of(context)
    source = read_source(text or [], file)
    given: dict[str, Any] = {
        **({"messages": read_messages(source)} if messages else {"texts": [source]}),
        **session.scope(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id),
        "infer": infer,
        "metadata": read_metadata(metadata or []),
        "categories": category or [],
        "memory_type": memory_type,
        "ttl": read_span(ttl, "--ttl"),
        "expire_time": read_time(expire_time, "--expire-time"),
        "event_time": read_time(event_time, "--event-time"),
        "custom_instructions": instructions,
        "request_id": request_id,
    }
    if background:
        if dry_run:
            raise CommandError("USAGE", "--dry-run and --background exclude each other")
        operation = session.client.enqueue(**given)
        session.output.item(operation, columns.OPERATION)
        return
    answer = session.client.add(**given, dry_run=dry_run)
    if session.output.form in ("json", "agent"):
        session.output.value(answer, text="")
        return
    session.output.items(answer.changes, columns.CHANGE, title="dry run: nothing stored" if dry_run else "")
    for refusal in answer.refusals:
        session.output.note(f"not stored ({refusal.reason}): {refusal.detail}")


def read_source(words: list[str], file: Path | None) -> str:
    """What is to be remembered: the words, a file, or standard input."""
    if file is not None and words:
        raise CommandError("USAGE", "give a text or --file, not both")
    if file is not None:
        text = file.read_text("utf-8")
    elif words and words != ["-"]:
        text = " ".join(words)
    elif sys.stdin.isatty():
        raise CommandError("USAGE", "give a text, --file, or something on standard input")
    else:
        text = sys.stdin.read()
    if not text.strip():
        raise CommandError("USAGE", "there is nothing to remember: the text is empty")
    return text.strip()


def read_messages(source: str) -> list[Any]:
    """The messages of a JSON array, of one object, or of JSONL."""
    try:
        value = json.loads(source)
    except ValueError:
        value = [read_object(line, "a line of --messages") for line in source.splitlines() if line.strip()]
    if isinstance(value, dict):
        value = value.get("messages", [value])
    if not isinstance(value, list):
        raise CommandError("USAGE", "--messages wants a JSON list of messages, or one message a line")
    return value


def read_metadata(given: list[str]) -> dict[str, Any] | None:
    """JSON values from `KEY=VALUE` and JSON objects; None if nothing was given."""
    values: dict[str, Any] = {}
    for text in given:
        if text.lstrip().startswith("{"):
            values |= read_json(text, "--metadata")
        else:
            values |= read_pairs([text], "--metadata")
    return values if given else None
