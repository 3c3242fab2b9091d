"""The TypeScript SDK holds by itself: its own tests, its package, its generated types."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "sdk" / "typescript"
GENERATED = ("src/plain/types.ts", "src/google/rpc/status_pb.ts", "src/google/rpc/error_details_pb.ts")


def run(*command: str) -> None:
    """Runs a command in the package's folder; its output is the message if it fails."""
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """The package's dependencies, as its lock file names them."""
    if not (PACKAGE / "node_modules" / ".package-lock.json").exists():
        run("npm", "ci", "--silent")


def test_it_is_formatted() -> None:
    run("npm", "run", "--silent", "format:check")


def test_its_own_tests_pass() -> None:
    run("npm", "test", "--silent")


@pytest.mark.alone  # it builds `dist` anew, which others use
def test_it_packs_installs_and_loads_by_import_and_require() -> None:
    run("npm", "run", "--silent", "test:package")


def test_its_plain_types_are_those_of_the_contract(tmp_path: Path) -> None:
    run("tools/generate.sh", str(tmp_path))
    for name in GENERATED:
        fresh, committed = ((folder / name).read_text() for folder in (tmp_path, PACKAGE))
        assert fresh == committed, f"{name} is not the contract's: run `npm run generate`"
