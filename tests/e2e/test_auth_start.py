"""The first start makes keys, and nobody comes in without one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.project_pb2 import KEY_ROLE_ROOT
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


def test_the_first_start_makes_keys_that_only_their_owner_reads(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", **NO_MODEL) as server:
        keys = tmp_path / "data" / "keys"
        assert stat.S_IMODE(keys.stat().st_mode) == 0o700
        assert {file.name for file in keys.iterdir()} == {"root.key", "default.key"}
        assert {stat.S_IMODE(file.stat().st_mode) for file in keys.iterdir()} == {0o600}
        assert str(keys / "default.key") in server.output
        assert "authorization: Bearer $(cat" in server.output
        assert code_of(server, server.key) is grpc.StatusCode.OK
        assert code_of(server, server.root_key) is grpc.StatusCode.OK
        assert code_of(server, "") is grpc.StatusCode.UNAUTHENTICATED
        first = (server.key, server.root_key)
    with running_server(tmp_path / "data", **NO_MODEL) as server:
        assert (server.key, server.root_key) == first, "a later start leaves them"
        assert code_of(server, first[0]) is grpc.StatusCode.OK


def test_a_start_without_any_root_key_makes_a_new_one(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", **NO_MODEL) as server:
        old = server.root_key
        with server.channel(old) as channel:
            stub = AdminServiceStub(channel)
            (root,) = stub.ListApiKeys(admin.ListApiKeysRequest(), timeout=10).api_keys
            assert root.role == KEY_ROLE_ROOT
            stub.RevokeApiKey(admin.RevokeApiKeyRequest(key_id=root.id), timeout=10)
        assert code_of(server, old) is grpc.StatusCode.UNAUTHENTICATED
    with running_server(tmp_path / "data", **NO_MODEL) as server:
        assert server.root_key != old
        assert code_of(server, server.root_key) is grpc.StatusCode.OK


def test_authentication_can_be_off_on_this_machine_only(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", MNEMON_AUTH="off", **NO_MODEL) as server:
        assert "AUTHENTICATION IS OFF" in server.output
        assert "authorization" not in server.output
        assert code_of(server, "") is grpc.StatusCode.OK
    line = refusal(tmp_path / "other", MNEMON_AUTH="off", MNEMON_ADDRESS="0.0.0.0:0")
    assert "loopback" in line


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_plaintext_for_others_must_be_asked_for(tmp_path: Path, address: str) -> None:
    line = refusal(tmp_path / "data", MNEMON_ADDRESS=address)
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
    line = refusal(tmp_path / "other", MNEMON_ADDRESS="127.0.0.1:0", MNEMON_TLS_KEY_FILE="absent.key")
    assert "belong together" in line
