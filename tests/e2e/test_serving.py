"""Starting and stopping the server as a person does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.server import REPOSITORY, MnemonServer, running_server

IDLE_BYTES = 400 * 1024 * 1024


def refused_start(data_dir: Path, **environment: str) -> str:
    """What `serve` says when it refuses to start; it must end with status 1 and a single line."""
    ended = subprocess.run(
        [sys.executable, "-m", "mnemon_service", "serve"],
        env={**os.environ, "MNEMON_DATA_DIR": str(data_dir), "MNEMON_LOG_FORMAT": "json", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
        check=False,
    )
    assert ended.returncode == 1
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_start_names_all_that_a_newcomer_needs(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        assert str(tmp_path / "data") in server.output
        assert "local/all-MiniLM-L6-v2/int8" in server.output
        assert "milvus-lite" in server.output
        assert "grpcurl" in server.output
        assert server.address in server.output


def test_interrupt_drains_and_exits_with_status_0(tmp_path: Path) -> None:
    server = MnemonServer(tmp_path / "data").start()
    assert server.stop() == 0
    assert "Traceback" not in server.errors


@pytest.mark.alone
def test_second_start_takes_less_than_3_seconds(tmp_path: Path) -> None:
    MnemonServer(tmp_path / "data").start().stop()
    seconds = []
    for _ in range(3):
        begun = time.monotonic()
        server = MnemonServer(tmp_path / "data").start()
        seconds.append(time.monotonic() - begun)
        server.stop()
    assert min(seconds) < 3.0


def test_health_says_serving(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server, server.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "mnemon.v1.MemoryService", "mnemon.v1.SearchService", "mnemon.v1.AdminService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_taken_port_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused_start(tmp_path / "data", MNEMON_ADDRESS=f"127.0.0.1:{port}")
    assert f"port {port} is in use" in line


def test_second_server_on_one_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    with running_server(tmp_path / "data"):
        assert "another server works on" in refused_start(tmp_path / "data", MNEMON_ADDRESS="127.0.0.1:0")


def test_unwritable_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    blocking = tmp_path / "file"
    blocking.write_text("not a directory")
    line = refused_start(blocking / "data", MNEMON_ADDRESS="127.0.0.1:0")
    assert "cannot write to the data directory" in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MNEMON_EMBEDDING_THREADS", "none"), ("MNEMON_LOG_LEVEL", "loud"), ("MNEMON_EXTRACTION_MODEL", "gpt")],
)
def test_wrong_setting_is_refused_in_one_line(tmp_path: Path, variable: str, value: str) -> None:
    line = refused_start(tmp_path / "data", MNEMON_ADDRESS="127.0.0.1:0", **{variable: value})
    assert variable in line or "provider/model" in line


def test_missing_model_leaves_keyword_search_and_says_so(tmp_path: Path) -> None:
    empty = tmp_path / "no-model"
    empty.mkdir()
    with running_server(tmp_path / "data", MNEMON_EMBEDDING_MODEL_DIR=str(empty)) as server:
        assert "KEYWORD SEARCH ONLY" in server.output


def test_idle_server_stays_below_400_megabytes(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        with server.channel() as channel:
            grpc.channel_ready_future(channel).result(timeout=5)
        assert server.resident_bytes < IDLE_BYTES


def test_secrets_are_masked_in_the_printed_settings(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "mnemon_service", "config"],
        env={**os.environ, "MNEMON_OPENAI_API_KEY": "sk-planted", "MNEMON_ADDRESS": "127.0.0.1:9999"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "sk-planted" not in shown
    assert "127.0.0.1:9999" in shown
