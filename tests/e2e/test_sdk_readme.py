"""Every snippet of the SDK's README runs as it is written, against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mnemon
from support.local_keys import client_environment
from support.server import MnemonServer

README = (Path(mnemon.__file__).parent.parent / "README.md").read_text("utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

PRINTED = {
    0: r"\d\.\d\d .*vegetarian",
    1: r"chess",
    2: r"\['ADDED', 'UPDATED', 'DELETED', 'RESTORED'\]\nCleo takes the 8:15 train\.",
    3: r"^1\n1$",
    4: r"Emil plays .*\nEmil plays .*\n2 hits so far\nADDED Emil plays chess\.",
    5: r"SCOPE_REQUIRED .*\nMEMORY_NOT_FOUND",
    6: r"^1$",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    with MnemonServer(tmp_path_factory.mktemp("readme")) as running:
        yield running


def test_the_readme_has_the_snippets_that_are_tested() -> None:
    assert len(SNIPPETS) == len(PRINTED)


@pytest.mark.parametrize("number", PRINTED)
def test_the_snippet_runs_and_prints(number: int, server: MnemonServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SNIPPETS[number]],
        capture_output=True,
        text=True,
        env=client_environment(server),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(PRINTED[number], done.stdout.strip()), done.stdout
