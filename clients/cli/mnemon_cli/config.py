"""Defaults in a file: `~/.config/mnemon/config.toml`, or where `MNEMON_CONFIG` says."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mnemon import ConfigurationError


@dataclass(frozen=True)
class Config:
    """What can be set once instead of with every call."""

    address: str = ""
    """Where the server is; else `MNEMON_ADDRESS`, else 127.0.0.1:7171."""
    api_key: str = field(default="", repr=False)
    """The key; else `MNEMON_API_KEY`, else the file that a server on this machine wrote."""
    user_id: str = ""
    agent_id: str = ""
    app_id: str = ""
    run_id: str = ""
    output: str = "table"
    """table, json, jsonl or quiet."""
    timeout: float = 30.0
    """Seconds for a call."""
    tls: bool = False
    insecure: bool = False
    """Send keys and memories in plain text to another machine."""
    ca: str = ""
    """PEM file of the authorities to trust."""
    cert: str = ""
    """PEM file of this client's certificate, for mutual TLS."""
    key: str = ""
    """PEM file of its private key."""
    server_name: str = ""
    """The name in the server's certificate, if it is not the address's."""

    def shown(self) -> dict[str, Any]:
        """All settings, the key masked."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.api_key:
            values["api_key"] = self.api_key[:6] + "…"
        return values


NAMES = tuple(f.name for f in fields(Config))


def config_path() -> Path:
    """Where the defaults lie."""
    if named := os.environ.get("MNEMON_CONFIG"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "mnemon" / "config.toml"


def read_config() -> Config:
    """The defaults of the file; those of the program where it names none."""
    path = config_path()
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None
    unknown = [name for name in values if name not in NAMES]
    if unknown:
        raise ConfigurationError(f"{path} sets {', '.join(unknown)}; known are {', '.join(NAMES)}")
    return replace(Config(), **{name: typed(name, value) for name, value in values.items()})


def typed(name: str, value: Any) -> Any:  # noqa: ANN401
    """A setting's value as its own type, also from text."""
    if name not in NAMES:
        raise ConfigurationError(f"no setting {name!r}; known are {', '.join(NAMES)}")
    default = getattr(Config(), name)
    if isinstance(default, bool):
        return _boolean(name, value)
    if isinstance(default, float):
        try:
            return float(value)
        except ValueError:
            raise ConfigurationError(f"{name} is a number, not {value!r}") from None
    if name == "output" and value not in ("table", "json", "jsonl", "quiet"):
        raise ConfigurationError(f"output is table, json, jsonl or quiet, not {value!r}")
    return str(value)


def _boolean(name: str, value: Any) -> bool:  # noqa: ANN401
    words = {
        "true": True,
        "yes": True,
        "1": True,
        "on": True,
        "false": False,
        "no": False,
        "0": False,
        "off": False,
    }
    found = words.get(str(value).lower())
    if found is None:
        raise ConfigurationError(f"{name} is true or false, not {value!r}")
    return found


def write_config(config: Config) -> Path:
    """Writes what differs from the program's own defaults; readable by its owner alone."""
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    default = Config()
    lines = [
        f"{name} = {json.dumps(getattr(config, name), ensure_ascii=False)}\n"
        for name in NAMES
        if getattr(config, name) != getattr(default, name)
    ]
    beside = path.with_name(path.name + ".new")
    beside.touch(mode=0o600)
    beside.chmod(0o600)
    beside.write_text("".join(lines), "utf-8")
    beside.replace(path)
    return path
