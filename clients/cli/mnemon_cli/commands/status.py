"""`mnemon usage`, `status` and `version`: what runs and what was used."""

from __future__ import annotations

from typing import Annotated

import typer

import mnemon
from mnemon import GetServerInfoResponse, ModelInfo
from mnemon_cli import __version__, columns
from mnemon_cli.options import read_time
from mnemon_cli.output import Columns
from mnemon_cli.session import session_of


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("usage")(usage)
    app.command("status")(status)
    app.command("version")(version)


def model(info: ModelInfo) -> str:
    """A model in short."""
    if not info.available:
        return f"none ({info.detail})" if info.detail else "none"
    return "/".join(part for part in (info.provider, info.model) if part)


INFO = Columns[GetServerInfoResponse](
    (
        "version",
        "database",
        "index",
        "embedding",
        "extraction",
        "reranker",
        "started",
        "index lag",
        "warnings",
    ),
    lambda i: (
        i.version,
        i.database,
        i.index,
        model(i.embedding_model),
        model(i.extraction_model),
        model(i.reranker),
        i.start_time,
        i.index_lag,
        i.warnings,
    ),
    lambda i: i.version,
)


def usage(
    context: typer.Context,
    start: Annotated[
        str | None, typer.Option("--from", help="From this day on; 30 days ago if left out.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to and without this day.")] = None,
    by_scope: Annotated[bool, typer.Option("--by-scope", help="A row for each owner.")] = False,
    by_model: Annotated[bool, typer.Option("--by-model", help="A row for each model.")] = False,
) -> None:
    """Show calls, tokens and memories by day."""
    session = session_of(context)
    answer = session.client.admin.usage.get(
        start_time=read_time(start, "--from"),
        end_time=read_time(end, "--to"),
        by_scope=by_scope,
        by_model=by_model,
    )
    if session.output.form in ("json", "agent"):
        session.output.value(answer, text="")
        return
    session.output.items(answer.rows, columns.USAGE)
    session.output.note(f"{answer.memory_count} active memories now")


def status(context: typer.Context) -> None:
    """Show what runs: version, database, index, models, warnings."""
    session = session_of(context)
    info = session.client.admin.server.info()
    session.output.item(info, INFO, note=session.client.address.removeprefix("dns:///"))


def version(context: typer.Context) -> None:
    """Show the versions of this program and of the SDK."""
    session = session_of(context)
    values = {"mnemon-cli": __version__, "mnemon": mnemon.__version__}
    text = ", ".join(f"{name} {number}" for name, number in values.items())
    session.output.value(values, text=text, quiet=__version__)
