"""What the commands share: the settings, the terminal, errors as one line."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from mnemon_service.settings import Settings

Result = TypeVar("Result")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings; the environment goes before it.")
]
DataDirOption = Annotated[Path | None, typer.Option(help="Where the data lies.")]


def settings_of(config: Path | None, **given: object) -> Settings:
    """The effective settings; ends the command with one line if they are wrong."""
    if config is not None:
        if not config.is_file():
            refuse(f"there is no file {config}")
        os.environ["MNEMON_CONFIG_FILE"] = str(config)
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        refuse(f"MNEMON_{name.upper()}: {first['msg']}")


def refuse(message: str) -> NoReturn:
    """Ends the command with one line and status 1."""
    typer.echo(f"mnemon-service: {message}", err=True)
    sys.exit(1)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of a command's work; what it refuses to do is one line."""
    # Imported here: --help needs none of it, and it takes most of a second.
    from mnemon_service.app.embedders import SettingsWrong
    from mnemon_service.data_directory import DataDirectoryUnusable
    from mnemon_service.model.errors import MnemonError
    from mnemon_service.server.logs import configure_logs

    configure_logs("error", "text")
    try:
        return asyncio.run(work)
    except MnemonError as error:
        refuse(error.message)
    except (DataDirectoryUnusable, SettingsWrong) as error:
        refuse(str(error))


def console() -> Console:
    """The terminal; wide enough for paths where it is a file."""
    return Console(width=None if sys.stdout.isatty() else 160)
