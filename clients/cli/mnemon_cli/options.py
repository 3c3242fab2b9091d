"""Options that several commands have, and how their texts are read."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from mnemon_cli.failures import CommandError

UserId = Annotated[str | None, typer.Option("--user-id", "-u", help="The person; '' for none.")]
AgentId = Annotated[str | None, typer.Option("--agent-id", help="The agent.")]
AppId = Annotated[str | None, typer.Option("--app-id", help="The application.")]
RunId = Annotated[str | None, typer.Option("--run-id", help="The conversation, session or task.")]
ProjectWide = Annotated[bool, typer.Option("--project-wide", help="Of the whole project (role admin).")]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter", help='JSON as mem0\'s, e.g. \'{"AND": [{"categories": {"contains": "food"}}]}\'.'
    ),
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="As of this time (RFC 3339) or place in the log (a number).")
]
RequestId = Annotated[str | None, typer.Option("--request-id", help="Makes the call safe to repeat.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history.")]
Etag = Annotated[str, typer.Option("--etag", help="Only if this is the current one.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Do not ask.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]
Ids = Annotated[list[str], typer.Argument(help="Ids; - reads them from standard input.")]


def read_json(text: str | None, what: str) -> Any:  # noqa: ANN401
    """The JSON value of an option; None without it."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError("USAGE", f"{what} is not JSON: {error}") from None


def read_object(text: str | None, what: str) -> dict[str, Any] | None:
    """The JSON object of an option; None without it."""
    value = read_json(text, what)
    if value is not None and not isinstance(value, dict):
        raise CommandError("USAGE", f"{what} is no JSON object")
    return value


def read_pairs(pairs: list[str], what: str) -> dict[str, Any]:
    """`key=value` texts as an object; values that are JSON (numbers, true, lists) are taken as such."""
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise CommandError("USAGE", f"{what}: {pair!r} is not KEY=VALUE")
        try:
            values[key] = json.loads(value)
        except ValueError:
            values[key] = value
    return values


def read_time(text: str | None, what: str) -> datetime | None:
    """The time of an option: RFC 3339, or a date; local time if it names no zone."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError("USAGE", f"{what}: {text!r} is no time; write 2026-05-07T09:30:00Z") from None
    return time if time.tzinfo else time.astimezone()


def read_as_of(text: str | None) -> datetime | int | None:
    """A place in the log, or a time."""
    return int(text) if text is not None and text.isdigit() else read_time(text, "--as-of")


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def read_span(text: str | None, what: str) -> timedelta | None:
    """A span of time: seconds, or a number with s, m, h, d or w."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text.strip())
    if found is None:
        raise CommandError("USAGE", f"{what}: {text!r} is no span of time; write 90s, 15m, 12h, 30d or 2w")
    return timedelta(seconds=float(found.group(1)) * UNITS[found.group(2) or "s"])
