"""The commands that look after the data: migrate, backup, restore, verify, reindex."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1 import search_service_pb2, search_service_pb2_grpc
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.scope_pb2 import Scope
from support.server import REPOSITORY, MnemonServer, running_server

ANA = Scope(user_id="ana")
NO_MODEL = {"MNEMON_EMBEDDING_PROVIDER": "none"}


def command(
    data_dir: Path, *arguments: str, status: int = 0, environment: Mapping[str, str] = NO_MODEL
) -> str:
    """What a command says; it must end with this status."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MNEMON_")}
    ended = subprocess.run(
        [sys.executable, "-m", "mnemon_service", *arguments],
        env={**kept, "MNEMON_DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        timeout=90,
        cwd=REPOSITORY,
        check=False,
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def add(server: MnemonServer, *texts: str) -> None:
    with server.channel() as channel:
        request = pb.AddMemoriesRequest(scope=ANA, texts=texts, infer=False)
        MemoryServiceStub(channel).AddMemories(request)


def texts(server: MnemonServer) -> list[str]:
    with server.channel() as channel:
        listed = MemoryServiceStub(channel).ListMemories(pb.ListMemoriesRequest(scope=ANA))
        return [memory.text for memory in listed.memories]


def found(server: MnemonServer, query: str) -> list[str]:
    with server.channel() as channel:
        request = search_service_pb2.SearchRequest(query=query, scope=ANA)
        hits = search_service_pb2_grpc.SearchServiceStub(channel).Search(request).hits
        return [hit.memory.text for hit in hits]


@pytest.fixture(scope="module")
def two_memories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with two memories, whose server has stopped."""
    directory = tmp_path_factory.mktemp("commands") / "data"
    server = MnemonServer(directory, NO_MODEL).start()
    add(server, "the first", "the second")
    assert server.stop() == 0
    return directory


@pytest.fixture
def data(two_memories: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(two_memories, tmp_path / "data", symlinks=True))


def test_a_backup_of_a_running_server_is_the_record_of_that_moment(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with running_server(tmp_path / "data", **NO_MODEL) as server:
        add(server, "kept")
        assert "whole" in command(tmp_path / "data", "backup", str(copy))
        add(server, "lost")
        assert "is there already" in command(tmp_path / "data", "backup", str(copy), status=1)
        for refused in (("restore", str(copy)), ("verify",), ("reindex",)):
            assert "another server works on" in command(tmp_path / "data", *refused, status=1)
        assert texts(server) == ["lost", "kept"]
        server.stop()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not copy.with_name("copy.db-wal").exists()
    said = command(tmp_path / "data", "restore", str(copy))
    [aside] = [path for path in (tmp_path / "data").glob("mnemon.db.before-*") if path.suffix != ".db-wal"]
    assert aside.name in said
    with running_server(tmp_path / "data", **NO_MODEL) as server:
        assert texts(server) == ["kept"]
        assert found(server, "lost") == []
        assert found(server, "kept") == ["kept"]
        server.stop()
    command(tmp_path / "data", "verify")


def test_what_is_no_copy_of_a_record_is_not_restored(data: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, but long enough to be read as one" * 100)
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE t (a)").connection.close()
    before = (data / "mnemon.db").read_bytes()
    for name in ("text", "other.db", "missing"):
        assert "Traceback" not in command(data, "restore", str(tmp_path / name), status=1)
    assert (data / "mnemon.db").read_bytes() == before


def test_a_damaged_copy_is_not_restored(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    command(data, "backup", str(copy))
    pages = bytearray(copy.read_bytes())
    pages[len(pages) // 2 : len(pages) // 2 + 4096] = b"\xff" * 4096
    copy.write_bytes(pages)
    command(data, "restore", str(copy), status=1)


def test_migrate_goes_down_and_up_and_says_so(data: Path) -> None:
    assert re.search(r"schema \d{4}$", command(data, "migrate", "--show").strip())
    assert "-> 0001" in command(data, "migrate", "--to", "0001")
    assert "schema 0001 -> " in command(data, "migrate")
    assert "knows 0001" in command(data, "migrate", "--to", "9999", status=1)
    with running_server(data, **NO_MODEL) as server:
        assert texts(server) == ["the second", "the first"]


def test_postgresql_is_copied_with_its_own_tool(tmp_path: Path) -> None:
    url = "postgresql://mnemon:secret@db.internal/mnemon"
    for name, tool in (("backup", "pg_dump"), ("restore", "pg_restore")):
        said = command(tmp_path, name, "copy.dump", status=1, environment={"MNEMON_DATABASE_URL": url})
        assert tool in said
        assert "postgresql://mnemon@db.internal/mnemon" in said
        assert "secret" not in said


def test_verify_names_what_differs_and_repair_mends_it(data: Path) -> None:
    assert re.search(r"default\W+2\W+0\W+0\W+0", command(data, "verify"))
    shutil.rmtree(data / "index" / "lite")
    assert re.search(r"default\W+2\W+2\W+0\W+0", command(data, "verify", status=1))
    assert "mended" in command(data, "verify", "--repair")
    assert re.search(r"default\W+2\W+0\W+0\W+0", command(data, "verify"))


def test_an_index_that_was_removed_comes_back(data: Path) -> None:
    shutil.rmtree(data / "index")
    with running_server(data, **NO_MODEL) as server:
        assert found(server, "first") == ["the first"]
        server.stop()
    command(data, "verify")


def test_another_embedding_model_is_refused_until_reindex(data: Path) -> None:
    """From no embeddings to the local model: the memories get vectors and are found by meaning."""
    local = {"MNEMON_EMBEDDING_PROVIDER": "local"}
    refusal = command(data, "serve", status=1, environment=local)
    assert len(refusal.strip().splitlines()) == 1
    assert "no embedder" in refusal
    assert "local/all-MiniLM-L6-v2/int8" in refusal
    assert "mnemon-service reindex" in refusal
    assert "holds 2 memories" in command(data, "reindex", environment=local)
    with running_server(data, **local) as server:
        assert found(server, "number one")[0] == "the first"
        server.stop()
    command(data, "verify", environment=local)
    assert "local/all-MiniLM-L6-v2/int8" in command(data, "verify", status=1)
