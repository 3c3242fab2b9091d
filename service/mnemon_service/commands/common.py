"""What the commands share: the settings, the terminal, errors as one line."""

from __future__ import annotations

import asyncio
import difflib
import os
import sys
import tomllib
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError
from rich.console import Console

from mnemon_service.settings import Settings

Result = TypeVar("Result")

_FILE_VARIABLE: Final = "MNEMON_CONFIG_FILE"
_VARIABLES_BESIDE_SETTINGS: Final = frozenset({_FILE_VARIABLE, "MNEMON_CONFIG", "MNEMON_API_KEY"})
"""The file's, and those that the SDKs and the command line read."""

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings; the environment goes before it.")
]
DataDirOption = Annotated[Path | None, typer.Option(help="Where the data lies.")]


def settings_of(config: Path | None, **given: object) -> Settings:
    """The effective settings; ends the command with one line if they are wrong.

    A variable of the environment that is no setting, but nearly one, is pointed out.
    """
    if config is not None:
        os.environ[_FILE_VARIABLE] = str(config)
    file = os.environ.get(_FILE_VARIABLE, "")
    if file and not Path(file).is_file():
        refuse(f"there is no file {file}")
    _point_out_misspelt_variables()
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except tomllib.TOMLDecodeError as error:
        refuse(f"{file} is not TOML: {error}")
    except SettingsError as error:
        # A variable that must be JSON: pydantic-settings gives its field, and the reason as the cause.
        refuse(f"{error}: {error.__cause__}")
    except ValidationError as error:
        refuse(_explained(error.errors()[0], file))


def _explained(error: ErrorDetails, file: str) -> str:
    """What is wrong with a setting, by the name under which it was given."""
    name = "_".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{file}: {name} is no setting{_meant(name)}"
    return f"MNEMON_{name.upper()}: {error['msg']}"


def _point_out_misspelt_variables() -> None:
    for variable in sorted(os.environ):
        name = variable.removeprefix("MNEMON_").lower()
        known = name in Settings.model_fields or variable in _VARIABLES_BESIDE_SETTINGS
        if variable.startswith("MNEMON_") and not known and (meant := _meant(name, prefix="MNEMON_")):
            typer.echo(f"mnemon-service: {variable} is no setting{meant}", err=True)


def _meant(name: str, prefix: str = "") -> str:
    """A question after a setting whose name is nearly the one given; empty if none is."""
    near = difflib.get_close_matches(name.lower(), Settings.model_fields, n=1, cutoff=0.8)
    if not near:
        return ""
    return f"; did you mean {prefix + near[0].upper() if prefix else near[0]}?"


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
