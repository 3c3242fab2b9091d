"""The command `mnemon`: its global options, its commands, and what happens when they fail."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mnemon import ConfigurationError, MnemonError
from mnemon_cli.commands import (
    add,
    change,
    config,
    entity,
    event,
    init,
    key,
    project,
    read,
    search,
    settings,
    status,
    transfer,
    watch,
    webhook,
)
from mnemon_cli.config import Config, typed
from mnemon_cli.failures import FAULT, INTERRUPTED, MEANINGS, CommandError, Failure, failure_of
from mnemon_cli.output import Output
from mnemon_cli.session import Session, settings_in_force

EXIT_CODES = "  \n".join(f"{code}: {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name="mnemon",
    help="Remember and find: the command line of Mnemon, a memory service for AI agents.",
    epilog=f"The options above may stand anywhere on the line. Exit codes:  \n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

for module in (init, add, search, read, change, watch, transfer, status):
    module.register(app)
for module in (entity, event, key, project, settings, webhook, config):
    app.add_typer(module.app)


@app.callback()
def global_options(
    context: typer.Context,
    address: Annotated[str | None, typer.Option(help="Where the server is: host:port.")] = None,
    api_key: Annotated[str | None, typer.Option(help="The key. Better: MNEMON_API_KEY.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="table, json, jsonl or quiet (ids only).")
    ] = None,
    agent: Annotated[
        bool, typer.Option("--agent", help="One line of JSON: {ok, data, error{reason, message, hint}}.")
    ] = False,
    timeout: Annotated[float | None, typer.Option(help="Seconds for a call.")] = None,
    tls: Annotated[bool | None, typer.Option("--tls/--no-tls", help="Encrypt the connection.")] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Plain text to another machine.")
    ] = None,
    ca: Annotated[str | None, typer.Option(help="PEM file of the authorities to trust.")] = None,
    cert: Annotated[str | None, typer.Option(help="PEM file of this client's certificate.")] = None,
    key_file: Annotated[str | None, typer.Option("--key", help="PEM file of its private key.")] = None,
    server_name: Annotated[str | None, typer.Option(help="The name in the server's certificate.")] = None,
) -> None:
    """Reads the settings in force before any command."""
    flags: dict[str, Any] = {
        "address": address,
        "api_key": api_key,
        "output": None if output is None else typed("output", output),
        "timeout": timeout,
        "tls": tls,
        "insecure": insecure,
        "ca": ca,
        "cert": cert,
        "key": key_file,
        "server_name": server_name,
    }
    try:
        config_in_force = settings_in_force(flags)
    except ConfigurationError:
        # The commands that mend the configuration must work while it is broken.
        if context.invoked_subcommand not in ("config", "init", "version"):
            raise
        config_in_force = settings_in_force(flags, Config)
    session = Session(config_in_force, Output(config_in_force.output, agent=agent))
    context.obj = session
    context.call_on_close(session.resources.close)


COMMAND = typer.main.get_command(app)

FLAGS = {"--agent", "--tls", "--no-tls", "--insecure"}
VALUED = {"--address", "--api-key", "--output", "-o", "--timeout", "--ca", "--cert", "--key", "--server-name"}


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The command line with global options first, wherever they stood; what follows `--` stays."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in FLAGS or argument.partition("=")[0] in VALUED - {argument}:
            front.append(argument)
        elif argument in VALUED:
            front += [argument, *[value for value in [next(waiting, None)] if value is not None]]
        else:
            rest.append(argument)
    return front + rest


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command and exits with its code."""
    line = hoisted(sys.argv[1:] if arguments is None else arguments)
    if "_MNEMON_COMPLETE" in os.environ:
        COMMAND(prog_name="mnemon")
    agent = "--agent" in line[: next((i for i, a in enumerate(line) if a == "--"), len(line))]
    output = Output("table", agent=agent)
    sys.exit(run(line, output))


def run(line: Sequence[str], output: Output) -> int:
    """The exit code of one command line; what went wrong is printed."""
    try:
        code = COMMAND.main(list(line), prog_name="mnemon", standalone_mode=False)
    except MnemonError as error:
        return failed(output, failure_of(error))
    except CommandError as error:
        return failed(output, error.failure)
    except typer.TyperException as error:
        return wrong_usage(output, error)
    except (KeyboardInterrupt, typer.Abort):
        return failed(output, Failure("INTERRUPTED", "interrupted", "", INTERRUPTED, {}))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAULT
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return failed(output, Failure("FILE", f"{where}{error.strerror or error}", "", FAULT, {}))
    return code if isinstance(code, int) else 0


def failed(output: Output, failure: Failure) -> int:
    """Prints a failure; its exit code."""
    output.failure(failure)
    return failure.exit_code


def wrong_usage(output: Output, error: typer.TyperException) -> int:
    """Prints what is wrong with the command line."""
    message = error.format_message()
    if not message or message.startswith("Usage:"):
        show = getattr(error, "show", None)
        if show is not None and not output.is_agent:
            show()
            return error.exit_code
    hint = "mnemon --help" if not output.is_agent else "run the command with --help"
    return failed(output, Failure("USAGE", message, hint, error.exit_code, {}))
