"""What every command has at hand: the settings in force, the connection and the output."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, cast

import typer

from mnemon import Client
from mnemon_cli.config import Config, read_config
from mnemon_cli.failures import DECLINED, CommandError
from mnemon_cli.output import Output

SCOPE_NAMES = ("user_id", "agent_id", "app_id", "run_id")


class ScopeIds(TypedDict, total=False):
    """The scope arguments of the client's methods."""

    user_id: str
    agent_id: str
    app_id: str
    run_id: str


def named(**given: str | None) -> ScopeIds:
    """Those ids that are not empty."""
    return cast(ScopeIds, {name: value for name, value in given.items() if value})


@dataclass
class Session:
    """One run of the command."""

    config: Config
    output: Output
    resources: ExitStack = field(default_factory=ExitStack)
    _client: Client | None = None

    @property
    def client(self) -> Client:
        """The connection; made when it is first needed."""
        if self._client is None:
            self._client = self.resources.enter_context(connected(self.config))
        return self._client

    def scope(self, *, project_wide: bool = False, **given: str | None) -> ScopeIds:
        """The scope ids in force: those given, else the defaults; none project-wide. "" switches a default
        off.
        """
        if project_wide:
            return {}
        defaults = self.config
        return named(**{n: getattr(defaults, n) if given.get(n) is None else given[n] for n in SCOPE_NAMES})

    def confirm(self, question: str, *, force: bool) -> None:
        """Goes on only if the person says yes, or `--force` was given."""
        if force:
            return
        if self.output.is_agent or not sys.stdin.isatty():
            raise CommandError(
                "CONFIRMATION_REQUIRED", f"not confirmed: {question}", "repeat it with --force", DECLINED
            )
        if not typer.confirm(question, err=True):
            raise CommandError("DECLINED", "nothing was done", "", DECLINED)


def connected(config: Config) -> Client:
    """A client as the settings say."""
    return Client(
        config.address or None,
        config.api_key or None,
        timeout=config.timeout,
        tls=config.tls or None,
        insecure=config.insecure,
        root_certificates=config.ca or None,
        client_certificate=config.cert or None,
        client_key=config.key or None,
        server_name=config.server_name or None,
    )


def settings_in_force(flags: dict[str, Any], read: Callable[[], Config] = read_config) -> Config:
    """The file's defaults with the flags that were given on top."""
    return replace(read(), **{name: value for name, value in flags.items() if value is not None})


def session_of(context: typer.Context) -> Session:
    """The session of the running command."""
    session = context.obj
    assert isinstance(session, Session)  # noqa: S101
    return session
