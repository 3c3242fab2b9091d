"""The command `mnemon-service`: serve, and look after what is served."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Annotated, Any

import structlog
import typer
import uvloop
from rich.table import Table

from mnemon_service import __version__
from mnemon_service.commands.common import ConfigOption, DataDirOption, console, settings_of
from mnemon_service.commands.index import reindex, verify
from mnemon_service.commands.record import backup, migrate, restore
from mnemon_service.data_directory import DataDirectoryUnusable
from mnemon_service.settings import Settings

cli = typer.Typer(
    name="mnemon-service",
    help="Mnemon, a memory service for AI agents. Every setting is an environment variable MNEMON_… too: "
    "see `mnemon-service config`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

cli.command()(migrate)
cli.command()(backup)
cli.command()(restore)
cli.command()(verify)
cli.command()(reindex)


@cli.command()
def serve(
    address: Annotated[str | None, typer.Option(help="Host and port; port 0 takes a free one.")] = None,
    data_dir: DataDirOption = None,
    auth: Annotated[
        str | None, typer.Option(help="on, or off: everybody is root; loopback addresses only.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Serve until interrupted; then let running calls end and exit 0."""
    settings = settings_of(config, address=address, data_dir=data_dir, auth=auth)
    from mnemon_service.server.logs import configure_logs

    configure_logs(settings.log_level, settings.log_format)
    sys.exit(uvloop.run(_serve(settings)))


@cli.command("config")
def show_config(config: ConfigOption = None) -> None:
    """Print the effective settings, secrets masked, with what each one means."""
    settings = settings_of(config)
    table = Table("variable", "value", "meaning", title="Effective settings")
    for name, value in settings.shown().items():
        description = type(settings).model_fields[name].description or ""
        table.add_row(f"MNEMON_{name.upper()}", str(value) if value is not None else "", description)
    console().print(table)


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


async def _serve(settings: Settings) -> int:
    # gRPC's core would print its own lines about a taken port; ours says what to do.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Scores of a few thousand vectors: BLAS threads cost more than they bring (0.2 ms with one, 4.5 ms
    # with two on a busy machine).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imported here: --help and config need none of it, and it takes most of a second.
    from mnemon_service.app.application import Application
    from mnemon_service.app.embedders import SettingsWrong
    from mnemon_service.model.errors import MnemonError
    from mnemon_service.server.runtime import AddressTaken

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    application = Application(settings)
    try:
        summary = await application.start()
    except (DataDirectoryUnusable, SettingsWrong, AddressTaken) as error:
        return _refused(str(error))
    except MnemonError as error:
        return _refused(error.message)
    _print_summary(summary)
    await stopping.wait()
    structlog.get_logger("mnemon").info("draining", seconds=settings.drain_seconds)
    await application.stop()
    return 0


def _refused(message: str) -> int:
    typer.echo(f"mnemon-service: {message}", err=True)
    return 1


def _print_summary(summary: Any) -> None:  # noqa: ANN401 (app is imported late)
    lines = [
        f"Mnemon {__version__} serves on {summary.address}",
        f"  data        {summary.data_directory} ({summary.database})",
        f"  key         {summary.key}",
        f"  embedding   {summary.embedding}",
        f"  extraction  {summary.extraction}",
        f"  index       {summary.index}",
        f"  try         grpcurl {summary.example}",
        *(f"  WARNING     {warning}" for warning in summary.warnings),
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 (what the command is for)


def main() -> None:
    """Entry point of the console script."""
    cli()


if __name__ == "__main__":
    main()
