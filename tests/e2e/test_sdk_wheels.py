"""The built wheels install into empty environments, with nothing but what they declare, and work."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mnemon_cli import __version__ as cli_version
from support.server import REPOSITORY

PROJECTS = {"mnemon": REPOSITORY / "sdk" / "python", "mnemon-cli": REPOSITORY / "clients" / "cli"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    built = {}
    for name, project in PROJECTS.items():
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, project],
            check=True,
            capture_output=True,
        )
        built[name] = next(folder.glob(f"{name.replace('-', '_')}-*.whl"))
    return built


def needed(requirements: Iterable[str]) -> list[str]:
    """Names of those requirements that hold on this interpreter, without extras."""
    parsed = [Requirement(text) for text in requirements]
    return [each.name for each in parsed if each.marker is None or each.marker.evaluate({"extra": ""})]


def link(name: str, packages: Path, done: set[str]) -> None:
    """Puts a distribution that is installed here, and all it requires, into another environment."""
    if name.lower() in done:
        return
    done.add(name.lower())
    found = distribution(name)
    for file in found.files or ():
        source, target = Path(str(found.locate_file(file))), packages / file
        if ".." not in file.parts and source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    for requirement in needed(found.requires or ()):
        link(requirement, packages, done)


def install(wheels: list[Path], folder: Path) -> Path:
    """The interpreter of a new environment with the wheels and what they declare; nothing else."""
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    done = {"mnemon"}
    for wheel in wheels:
        subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, packages], check=True)
        metadata = next(packages.glob(f"{wheel.name.split('-')[0]}-*.dist-info/METADATA")).read_text()
        for requirement in needed(re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE)):
            link(requirement, packages, done)
    return folder / "bin" / "python"


def run(python: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, cwd=python.parent, env={"PATH": "/usr/bin"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_sdk_works_alone(wheels: dict[str, Path], tmp_path: Path) -> None:
    python = install([wheels["mnemon"]], tmp_path / "env")
    assert not list(tmp_path.glob("env/lib/python*/site-packages/opentelemetry"))
    program = (
        "import mnemon, importlib.resources as r\n"
        "client = mnemon.Client('127.0.0.1:1', retry=mnemon.RetryPolicy(attempts=1))\n"
        "try: client.search('x', user_id='ana', timeout=5)\n"
        "except mnemon.UnavailableError as error: print(error.code)\n"
        "print(r.files('mnemon').joinpath('py.typed').is_file(), mnemon.__file__)\n"
    )
    printed = run(python, "-c", program)
    assert printed.startswith("UNAVAILABLE\nTrue")
    assert str(tmp_path) in printed


def test_the_sdks_wheel_holds_nothing_but_itself(wheels: dict[str, Path]) -> None:
    listed = run(Path(sys.executable), "-m", "zipfile", "-l", str(wheels["mnemon"]))
    names = [line.split()[0] for line in listed.splitlines()[1:]]
    assert {name.split("/")[0] for name in names} == {"mnemon", names[-1].split("/")[0]}
    assert not [name for name in names if "tools/" in name or "__pycache__" in name]


def test_the_command_works_alone(wheels: dict[str, Path], tmp_path: Path) -> None:
    python = install([wheels["mnemon"], wheels["mnemon-cli"]], tmp_path / "env")
    assert f"mnemon-cli {cli_version}" in run(python, "-m", "mnemon_cli", "version")
