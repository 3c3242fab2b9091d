"""A Milvus server that is reached by its URI goes away or hangs under load: writes and reads go on, and the
index comes to equal the record by itself."""

from __future__ import annotations

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


@pytest.mark.timeout(180)
def test_nobody_waits_for_a_milvus_that_is_away(
    server: MnemonServer, milvus: MilvusProcess, seed: str
) -> None:
    with server.channel() as channel:
        load = Load([Writer(number, seed, channel) for number in range(3)])
        load.start(until_down=False)
        load.goes_on(seconds=30.0)
        milvus.stop()
        load.goes_on(seconds=30.0)
        milvus.start()
        load.goes_on(seconds=30.0)
        milvus.hang()
        load.goes_on(seconds=30.0)
        milvus.go_on()
        load.goes_on(seconds=30.0)
        load.stop()
        Checker().check(channel, load.writers, finished=True)
