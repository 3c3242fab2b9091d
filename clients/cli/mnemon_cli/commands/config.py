"""`mnemon config`: defaults in a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from mnemon_cli.config import Config, config_path, read_config, typed, write_config
from mnemon_cli.session import session_of

app = typer.Typer(name="config", help="Defaults in a file: address, key, scope, output.")
Name = Annotated[str, typer.Argument(help="The setting.")]


@app.command("show")
def show(context: typer.Context) -> None:
    """Show all settings (the key masked) and where they lie."""
    session = session_of(context)
    values = read_config().shown()
    text = "\n".join(f"{name} = {value}" for name, value in values.items() if value != "")
    session.output.value({"path": str(config_path()), **values}, text=f"# {config_path()}\n{text}")


@app.command("get")
def get(context: typer.Context, name: Name) -> None:
    """Show one setting, the key too if it is asked for by name."""
    session = session_of(context)
    typed(name, getattr(Config(), name, ""))
    value = getattr(read_config(), name)
    session.output.value({name: value}, text=str(value), quiet=str(value))


@app.command("set")
def set_value(
    context: typer.Context,
    name: Name,
    value: Annotated[str, typer.Argument(help="Its value; '' for the program's own default.")],
) -> None:
    """Set one setting."""
    session = session_of(context)
    new = getattr(Config(), name, "") if value == "" else typed(name, value)
    typed(name, new)
    changes: dict[str, Any] = {name: new}
    path = write_config(replace(read_config(), **changes))
    session.output.value({"name": name, "path": str(path)}, text=f"set {name} in {path}", quiet=name)
