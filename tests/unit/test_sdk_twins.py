"""The blocking and the asynchronous client offer the same, and users can check their code against both."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mnemon

CLASSES = [
    (mnemon.Client, mnemon.AsyncClient),
    (mnemon.Pager, mnemon.AsyncPager),
    (mnemon.Watch, mnemon.AsyncWatch),
    (mnemon.Export, mnemon.AsyncExport),
    (mnemon.SearchStream, mnemon.AsyncSearchStream),
    (mnemon.LiveSearch, mnemon.AsyncLiveSearch),
]
ADMIN = vars(mnemon.Client("127.0.0.1:1", "").admin)
ADMIN_TWINS = vars(mnemon.AsyncClient("127.0.0.1:1", "").admin)


def methods(kind: Any) -> dict[str, Any]:
    return {
        name: member
        for name, member in inspect.getmembers(kind)
        if (inspect.isfunction(member) or inspect.ismethod(member)) and not name.startswith("_")
    }


ROWS = "Iterable[ImportRow | Mapping[str, Any]]"


def signature(method: Any) -> str:
    """The signature as text, with what only one of the two kinds can have taken out."""
    text = re.sub(r"\bAsync(?=[A-Z])", "", str(inspect.signature(method)))
    return text.replace(f"{ROWS} | {ROWS}", ROWS)


@pytest.mark.parametrize(
    ("blocking", "asynchronous"),
    CLASSES + [(ADMIN[name], ADMIN_TWINS[name]) for name in ADMIN],
)
def test_names_arguments_and_documentation_are_the_same(blocking: Any, asynchronous: Any) -> None:
    here, there = methods(blocking), methods(asynchronous)
    assert set(here) == set(there)
    for name in here:
        assert signature(here[name]) == signature(there[name]), name
        assert here[name].__doc__ == there[name].__doc__, name
        assert here[name].__doc__, f"{name} says nothing"


USER = """
from datetime import datetime, timezone

from mnemon import AsyncClient, Client, F, Memory, MemoryType, NotFoundError, SearchSummary


def blocking() -> list[str]:
    with Client() as client:
        added = client.add([{"role": "user", "content": "hi"}], user_id="ana", metadata={"a": 1})
        conversation = [{"role": "user", "content": "hi"}]
        client.add(conversation, user_id="ana")
        first: Memory = added.changes[0].memory
        texts = [hit.memory.text for hit in client.search("hi", user_id="ana") if hit.memory]
        condition = (F.metadata("tier") == "gold") & ~F.categories.contains("food")
        for memory in client.list(user_id="ana", filters=condition):
            texts.append(memory.text)
        if first.create_time is not None and first.create_time < datetime.now(timezone.utc):
            client.update(first.id, "new", memory_type=MemoryType.EPISODIC, expire_time=None)
        try:
            client.get(first.id, as_of=3)
        except NotFoundError as error:
            texts.append(error.reason)
        key: str = client.admin.keys.create("writer").secret
        with client.watch(user_id="ana") as watch:
            for version in watch:
                return [version.memory.text, watch.resume_token, key]
        return texts


async def asynchronous() -> float:
    async with AsyncClient() as client:
        async for user in client.admin.entities.list(kind="USER"):
            print(user.memory_count + 1)
        async with client.search_stream("hi", user_id="ana") as stream:
            async for piece in stream:
                if isinstance(piece, SearchSummary):
                    return piece.usage.milliseconds
    return 0.0
"""

WRONG = """
from mnemon import AsyncClient, Client


async def wrong() -> None:
    Client().add("x", user="ana")
    Client().search(42, user_id="ana")
    AsyncClient().search("x", user_id="ana").hits
    Client().get("id").txt
"""


def check(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    file = folder / "user.py"
    file.write_text(source)
    config = folder / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {Path(mnemon.__file__).parent.parent}\n")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file",
            str(config),
            "--python-version",
            "3.10",
            str(file),
        ],
        capture_output=True,
        text=True,
        cwd=folder,
    )


def test_users_code_is_checked_strictly(tmp_path: Path) -> None:
    checked = check(tmp_path, USER)
    assert checked.returncode == 0, checked.stdout
    checked = check(tmp_path, WRONG)
    wrong = {line.split(":")[1] for line in checked.stdout.splitlines() if ": error:" in line}
    assert wrong == {"6", "7", "8", "9"}, checked.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(mnemon.__file__).parent / "py.typed").exists()
