"""What the README and the guides tell people to type works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnemon.v1 import admin_service_pb2, memory_service_pb2, search_service_pb2
from support.documents import code_blocks, grpcurl_folder
from support.server import REPOSITORY, MnemonServer, running_server

DEFAULT_ADDRESS = "127.0.0.1:7171"


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[MnemonServer]:
    """A server of its own, with its data where the documents have it: below the working directory."""
    with running_server(tmp_path / ".mnemon") as server:
        yield server


def run_shell(script: str, server: MnemonServer, folder: Path) -> str:
    """Runs a script where `.mnemon` lies, with the server's address in place of the default one."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(DEFAULT_ADDRESS, server.address)],
        cwd=folder,
        env={**os.environ, "PATH": f"{grpcurl_folder()}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}\n{server.errors[-1500:]}"
    return ended.stdout


def test_readme_grpcurl_lines_work_as_written(fresh_server: MnemonServer, tmp_path: Path) -> None:
    (lines,) = [block for block in code_blocks("README.md", "sh") if "grpcurl -plaintext" in block]
    shown = run_shell(lines, fresh_server, tmp_path)
    assert "CHANGE_EVENT_ADD" in shown
    assert "Lisbon" in shown.split('"hits"')[1]


def test_readme_python_example_works_as_written(fresh_server: MnemonServer, tmp_path: Path) -> None:
    (example,) = code_blocks("README.md", "python")
    ended = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "MNEMON_ADDRESS": fresh_server.address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "eats fish" in ended.stdout
    assert "['ADDED', 'DELETED']" in ended.stdout


def test_grpcurl_guide_has_a_working_line_for_every_rpc(fresh_server: MnemonServer, tmp_path: Path) -> None:
    script = "\n".join(code_blocks("docs/grpcurl.md", "sh"))
    rpcs = {
        f"{service.name}/{method.name}"
        for file in (memory_service_pb2, search_service_pb2, admin_service_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    named = set(re.findall(r"\w+Service/\w+", script))
    assert rpcs - named == set()
    run_shell(script, fresh_server, tmp_path)


def test_readme_shows_what_the_demo_prints() -> None:
    """Four of five hits alike: the last digit of a vector may differ on another processor."""
    demo = subprocess.run(
        [sys.executable, REPOSITORY / "clients/examples/demo/demo.py"],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    ).stdout
    (shown,) = [block for block in code_blocks("README.md", "text") if "score, and what" in block]
    printed, told = _hits(demo), _hits(shown)
    assert len(printed) == 39
    assert len(printed & told) >= 0.8 * len(printed)


def _hits(table: str) -> set[tuple[str, str]]:
    """Question and first words of each hit in the demo's table."""
    hits, question = set(), ""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("│")]
        if len(cells) == 5:
            question = cells[1] or question
            if found := re.match(r"\d\.\d\d +(.{10,40})", cells[2]):
                hits.add((question, found[1]))
    return hits
