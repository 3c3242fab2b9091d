"""The first start makes keys, and nobody comes in without one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import grpc

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from support.certificates import Authority
from support.key_sender import bearer
from support.server import REPOSITORY, MnemonServer, running_server

NO_MODEL = {"MNEMON_EMBEDDING_PROVIDER": "none"}
"""Keys need no vectors; it starts sooner."""


def refusal(data_dir: Path, **environment: str) -> str:
    """The one line with which the server refuses to start."""
    ended = subprocess.run(
        [sys.executable, "-m", "mnemon_service", "serve"],
        env={**os.environ, "MNEMON_DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    return line


def code_of(server: MnemonServer, key: str) -> grpc.StatusCode:
    """What a read of the own project ends with."""
    with server.channel(key) as channel:
        try:
            AdminServiceStub(channel).GetProject(admin.GetProjectRequest(project_id="default"), timeout=10)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


def test_the_first_start_makes_keys_and_asks_for_them(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", **NO_MODEL) as server:
        assert str(tmp_path / "data" / "keys" / "default.key") in server.output
        assert "authorization: Bearer $(cat" in server.output
        assert code_of(server, server.key) is grpc.StatusCode.OK
        assert code_of(server, server.root_key) is grpc.StatusCode.OK
        assert code_of(server, "") is grpc.StatusCode.UNAUTHENTICATED


def says(server: MnemonServer, words: str) -> None:
    """Waits until it has printed something: warnings come after the lines that tell where it serves."""
    deadline = time.monotonic() + 10
    while words not in server.output:
        assert time.monotonic() < deadline, server.output
        time.sleep(0.01)


def test_authentication_can_be_off_and_says_so(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", MNEMON_AUTH="off", **NO_MODEL) as server:
        says(server, "AUTHENTICATION IS OFF")
        assert "authorization" not in server.output
        assert code_of(server, "") is grpc.StatusCode.OK


def test_plaintext_for_others_must_be_asked_for(tmp_path: Path) -> None:
    line = refusal(tmp_path / "data", MNEMON_ADDRESS="0.0.0.0:0")
    assert "MNEMON_TLS_CERTIFICATE_FILE" in line
    assert "MNEMON_ALLOW_PLAINTEXT" in line


def test_the_server_speaks_tls_by_its_settings(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.server()
    (tmp_path / "server.crt").write_bytes(pair.certificate)
    (tmp_path / "server.key").write_bytes(pair.key)
    files = {
        "MNEMON_TLS_CERTIFICATE_FILE": str(tmp_path / "server.crt"),
        "MNEMON_TLS_KEY_FILE": str(tmp_path / "server.key"),
    }
    with running_server(tmp_path / "data", **files, **NO_MODEL) as server:
        assert "-plaintext" not in server.output
        credentials = grpc.ssl_channel_credentials(authority.certificate)
        with grpc.secure_channel(server.address, credentials) as channel:
            answer = AdminServiceStub(channel).GetProject(
                admin.GetProjectRequest(), metadata=bearer(server.key), timeout=10
            )
        assert answer.project.id == "default"
