"""A Milvus server that is reached by its URI goes away or hangs under load: writes and reads go on, and the
index comes to equal the record by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fault_check import Checker
from support.fault_load import Load, Writer
from support.milvus_process import MilvusProcess, milvus_process
from support.server import MnemonServer, running_server


@pytest.fixture
def milvus(tmp_path: Path) -> Iterator[MilvusProcess]:
    with milvus_process(tmp_path / "milvus") as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, milvus: MilvusProcess) -> Iterator[MnemonServer]:
    environment = {"MNEMON_EMBEDDING_PROVIDER": "none", "MNEMON_INDEX_URI": milvus.uri}
    with running_server(tmp_path / "data", **environment) as running:
        yield running


def goes_on(load: Load, steps: int = 6, seconds: float = 30.0) -> None:
    """The writers take so many steps more, all of them right."""
    wanted = sum(writer.done for writer in load.writers) + steps
    deadline = time.monotonic() + seconds
    while sum(writer.done for writer in load.writers) < wanted:
        assert not load.failures, load.failures
        assert time.monotonic() < deadline, "nobody is served any more"
        time.sleep(0.02)


@pytest.mark.timeout(180)
def test_nobody_waits_for_a_milvus_that_is_away(
    server: MnemonServer, milvus: MilvusProcess, seed: str
) -> None:
    with server.channel() as channel:
        load = Load([Writer(number, seed, channel) for number in range(3)])
        load.start(until_down=False)
        goes_on(load)
        milvus.stop()
        goes_on(load)
        milvus.start()
        goes_on(load)
        milvus.hang()
        goes_on(load)
        milvus.go_on()
        goes_on(load)
        load.stop()
        Checker().check(channel, load.writers, finished=True)
