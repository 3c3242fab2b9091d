"""The disk fills up: writes are refused with a reason, reads go on, and nothing is lost when there is room
again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from support.fault_check import Checker
from support.fault_load import Down, Load, Writer
from support.server import MnemonServer

MEGABYTES = 48


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=700", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a file system is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def filled(place: Path) -> Iterator[None]:
    """No byte is left on the disk."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 512)
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.timeout(180)
def test_a_full_disk_refuses_writes_and_loses_none(small_disk: Path, seed: str) -> None:
    with MnemonServer(small_disk / "data", {"MNEMON_EMBEDDING_PROVIDER": "none"}) as server:
        with server.channel() as channel:
            writers = [Writer(number, seed, channel) for number in range(2)]
            load = Load(writers)
            load.start(until_down=False)
            time.sleep(1.0)
            load.stop()
            checker = Checker()
            checker.check(channel, writers)
            with filled(small_disk):
                refused = _until_refused(writers[0])
                assert refused.startswith("UNAVAILABLE"), refused
                listed = MemoryServiceStub(channel).ListMemories(
                    pb.ListMemoriesRequest(scope=writers[1].scope)
                )
                assert len(listed.memories) == min(
                    50, sum(not memory.deleted for memory in writers[1].memories.values())
                )
            _until_answered(writers[0])
            load.start(until_down=False)
            time.sleep(1.0)
            load.stop()
            checker.check(channel, writers, finished=True)
        assert server.stop() == 0
    assert os.path.ismount(small_disk)


def _until_refused(writer: Writer) -> str:
    """Writes until the disk is full for the record too: it may have had some room in its files."""
    for _ in range(5_000):
        try:
            writer.step()
        except Down as down:
            return str(down)
    raise AssertionError("the disk never filled up")


def _until_answered(writer: Writer) -> None:
    deadline = time.monotonic() + 30
    while writer.in_doubt is not None:
        try:
            writer.settle()
        except Down:
            assert time.monotonic() < deadline, "writes are refused although there is room"
            time.sleep(0.1)
        except grpc.RpcError as error:
            raise AssertionError(str(error)) from error
