"""`mnemon settings`: how the project's memories are made and kept."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

import typer

from mnemon import ProjectSettings
from mnemon_cli.failures import CommandError
from mnemon_cli.options import Etag, read_pairs, read_span
from mnemon_cli.output import Columns
from mnemon_cli.session import session_of

app = typer.Typer(name="settings", help="How the project's memories are made and kept.")

OUTPUT_ONLY = {"version", "update_time", "etag"}
SPANS = {"deleted_retention", "message_retention", "request_log_retention"}
NAMES = tuple(f.name for f in fields(ProjectSettings))

SETTINGS = Columns[ProjectSettings](
    NAMES,
    lambda s: tuple(s.to_dict().get(name, "") for name in NAMES),
    lambda s: s.etag,
)


@app.command("get")
def get(context: typer.Context) -> None:
    """Show the settings in force."""
    session = session_of(context)
    session.output.item(session.client.admin.settings.get(), SETTINGS)


@app.command("set")
def set_settings(
    context: typer.Context,
    pairs: Annotated[
        list[str], typer.Argument(help="NAME=VALUE; JSON for lists; NAME=null for the default.")
    ],
    etag: Etag = "",
) -> None:
    """Change settings, as `content_policy=redact` or `deleted_retention=7d`."""
    session = session_of(context)
    changes = {name: value_of(name, value) for name, value in read_pairs(pairs, "settings").items()}
    session.output.item(session.client.admin.settings.update(**changes, etag=etag), SETTINGS)


def value_of(name: str, value: Any) -> Any:  # noqa: ANN401
    """A setting's value as the client takes it."""
    settable = [known for known in NAMES if known not in OUTPUT_ONLY]
    if name not in settable:
        raise CommandError("USAGE", f"no setting {name!r}; known are {', '.join(settable)}")
    if name in SPANS and value is not None:
        return read_span(str(value), name)
    return value
