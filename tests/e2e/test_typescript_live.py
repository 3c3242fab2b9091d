"""The TypeScript SDK, its README and the Node example against a real server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import MnemonServer, running_server

PACKAGE = Path(__file__).parents[2] / "sdk" / "typescript"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    with running_server(tmp_path_factory.mktemp("typescript")) as running:
        yield running


@pytest.fixture(scope="module")
def environment(server: MnemonServer) -> dict[str, str]:
    """What tells the Node side where the server is, and its keys."""
    keys = server.data_dir / "keys"
    read = {name: (keys / f"{name}.key") for name in ("default", "root")}
    found = {name: file.read_text().strip() if file.exists() else "" for name, file in read.items()}
    return {
        **os.environ,
        "MNEMON_ADDRESS": server.address,
        "MNEMON_API_KEY": found["default"],
        "MNEMON_ROOT_KEY": found["root"],
    }


@pytest.fixture(scope="module")
def built() -> None:
    """The package and its tests, compiled."""
    if not (PACKAGE / "node_modules" / ".package-lock.json").exists():
        subprocess.run(["npm", "ci", "--silent"], cwd=PACKAGE, check=True)
    subprocess.run(["npm", "run", "--silent", "build"], cwd=PACKAGE, check=True)
    subprocess.run(["npm", "run", "--silent", "build:test"], cwd=PACKAGE, check=True)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("part", ["scenarios", "readme", "agent", "bulk"])
def test_it_works_against_a_real_server(part: str, environment: dict[str, str]) -> None:
    command = ["node", "--test", "--test-reporter=spec", f"build/test/live/{part}.test.js"]
    done = subprocess.run(command, cwd=PACKAGE, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
