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
from support.server import MnemonServer, running_server

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
