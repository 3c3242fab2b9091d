"""The command `mnemon` as tests run it: in a process of its own, with a home of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mnemon_cli import failures
from mnemon_cli.main import main


@dataclass(frozen=True)
class Done:
    """What a process left behind."""

    returncode: int
    stdout: str
    stderr: str


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["mnemon_cli.main"])
"""Processes that begin with the program's modules loaded, which else takes most of a short command's time."""


def run_process(
    arguments: Sequence[str], environment: dict[str, str], folder: Path, stdin: str | None
) -> Done:
    with tempfile.TemporaryDirectory() as streams:
        paths = [Path(streams, name) for name in ("in", "out", "err")]
        paths[0].write_text(stdin or "")
        process = FORKS.Process(target=become_mnemon, args=(list(arguments), environment, str(folder), paths))
        process.start()
        process.join(60)
        assert process.exitcode is not None, f"still running: mnemon {' '.join(arguments)}"
        return Done(process.exitcode, paths[1].read_text(), paths[2].read_text())


def become_mnemon(arguments: list[str], environment: dict[str, str], folder: str, paths: list[Path]) -> None:
    """The command in this process: its arguments, environment, folder and standard streams."""
    for number, path in enumerate(paths):
        os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 # multiprocessing has put another there
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    main(arguments)


@dataclass
class Shell:
    """Runs `mnemon` as a person would, with a home of its own."""

    address: str
    home: Path
    key: str = ""

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MNEMON_")}
        return kept | {
            "MNEMON_ADDRESS": self.address,
            "MNEMON_API_KEY": self.key,
            "MNEMON_CONFIG": str(self.home / "config.toml"),
            "COLUMNS": "200",
        }

    def run(self, *arguments: str, stdin: str | None = None, code: int = 0) -> Done:
        """Runs one command line in a process of its own, and holds its exit code against `code`."""
        done = run_process(arguments, self.environment(), self.home, stdin)
        if done.returncode == failures.UNIMPLEMENTED and "NOT_IMPLEMENTED" in done.stdout + done.stderr:
            pytest.skip(f"this server cannot yet: {done.stderr or done.stdout}")
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", stdin=stdin).stdout)

    def agent(self, *arguments: str, code: int = 0, stdin: str | None = None) -> dict[str, Any]:
        """The envelope, which must be all that is printed."""
        done = self.run("--agent", *arguments, code=code, stdin=stdin)
        assert done.stdout.count("\n") == 1
        envelope: dict[str, Any] = json.loads(done.stdout)
        assert set(envelope) == {"ok", "data", "error"}
        assert envelope["ok"] is (code == 0)
        if code:
            assert {"reason", "message", "hint"} <= set(envelope["error"])
        return envelope

    def added(self, text: str, *options: str) -> str:
        changes = self.json("add", text, "--no-infer", *options)["changes"]
        return str(changes[0]["memory"]["id"])
