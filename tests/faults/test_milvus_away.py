"""Milvus Lite dies or hangs while the server serves: writes, reads and searches by user go on, and the
index comes to equal the record by itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from support.fault_check import Checker, check_index
from support.fault_load import Load, Writer
from support.server import MnemonServer, running_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MnemonServer]:
    with running_server(tmp_path / "data", MNEMON_EMBEDDING_PROVIDER="none") as running:
        yield running


def milvus_of(server: MnemonServer) -> psutil.Process:
    """The child process that holds the index."""
    assert server.process is not None
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for child in psutil.Process(server.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if any("lite_process" in word for word in child.cmdline()):
                    return child
        time.sleep(0.05)
    raise AssertionError("Milvus Lite does not run")


@pytest.mark.timeout(120)
def test_milvus_that_dies_is_started_again_and_the_index_heals(server: MnemonServer, seed: str) -> None:
    with server.channel() as channel:
        load = Load([Writer(number, seed, channel) for number in range(3)])
        load.start(until_down=False)
        for _ in range(3):
            load.goes_on()
            milvus_of(server).kill()
        load.goes_on()
        load.stop()
        Checker().check(channel, load.writers, finished=True)


@pytest.mark.timeout(120)
def test_milvus_that_hangs_stops_nobody(server: MnemonServer, seed: str) -> None:
    """Each writer's searches name its user, so they are answered from the record and its views."""
    with server.channel() as channel:
        load = Load([Writer(number, seed, channel) for number in range(3)])
        load.start(until_down=False)
        load.goes_on()
        milvus = milvus_of(server)
        milvus.suspend()
        try:
            load.goes_on()
        finally:
            milvus.resume()
        load.stop()
        Checker().check(channel, load.writers, finished=True)
        check_index(AdminServiceStub(channel))
