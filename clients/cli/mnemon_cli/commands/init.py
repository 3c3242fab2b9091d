"""`mnemon init`: set up once."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from mnemon import UnimplementedError
from mnemon_cli.config import Config, config_path, read_config, write_config
from mnemon_cli.failures import CommandError
from mnemon_cli.options import UserId
from mnemon_cli.session import connected, session_of


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("init")(init)


def init(
    context: typer.Context,
    user_id: UserId = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace an unreadable configuration.")
    ] = False,
) -> None:
    """Ask for address, key and default user (or take them from the options), try them, keep them."""
    session = session_of(context)
    values = vars_of(Config() if force else read_config())
    values |= {n: v for n, v in vars_of(session.config).items() if v != getattr(Config(), n)}
    values |= {} if user_id is None else {"user_id": user_id}
    config = Config(**values)
    if not session.output.is_agent and sys.stdin.isatty():
        config = asked(config)
    with connected(config) as client:
        try:
            version = client.admin.server.info().version
        except UnimplementedError:
            version = ""
        address = client.address.removeprefix("dns:///")
    path = write_config(config)
    session.output.value(
        {"address": address, "server_version": version, "path": str(path)},
        text=f"connected to {address}\nkept in {path}\ntry: mnemon add 'I live in Lisbon.'",
        quiet=str(path),
    )


def vars_of(config: Config) -> dict[str, Any]:
    """The settings by name."""
    return {name: getattr(config, name) for name in Config.__dataclass_fields__}


def asked(config: Config) -> Config:
    """The settings as the person answers; the answers so far are the defaults."""
    address = typer.prompt("Address", default=config.address or "127.0.0.1:7171", err=True)
    key = typer.prompt(
        "API key (empty: found by itself)",
        default=config.api_key,
        show_default=False,
        hide_input=True,
        err=True,
    )
    user = typer.prompt("Default user id (empty: none)", default=config.user_id, err=True)
    if not address.strip():
        raise CommandError("USAGE", f"no address; nothing was written to {config_path()}")
    return replace(config, address=address.strip(), api_key=key.strip(), user_id=user.strip())
