"""Two replicas share a record on PostgreSQL and an index on one Milvus server; the one that writes to the
index is killed under load, and the index comes to equal the record."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon_service.record.index_leases import IndexLease
from mnemon_service.record.record import Record
from support.fault_check import Checker, check_index
from support.fault_load import Down, Load, Writer
from support.milvus_process import milvus_process
from support.server import MnemonServer

INDEX = "mnemon"


class Pair:
    """Two replicas, four writers of which each speaks to one of them."""

    def __init__(self, tmp_path: Path, seed: str, url: str, milvus: str) -> None:
        environment = {
            "MNEMON_EMBEDDING_PROVIDER": "none",
            "MNEMON_DATABASE_URL": url,
            "MNEMON_INDEX_URI": milvus,
            "MNEMON_INDEX_NAME": INDEX,
            "MNEMON_LOG_LEVEL": "error",
        }
        self.url = url
        self.seed = seed
        self.replicas = [MnemonServer(tmp_path / name, environment) for name in ("one", "two")]
        self.checker = Checker()
        self.writers: list[Writer] = []

    def start(self) -> Load:
        """Starts both, the first before the second, and gives each its writers."""
        for replica in self.replicas:
            replica.start()
        self.writers = [
            Writer(number, self.seed, self.replicas[number % 2].channel(self.key)) for number in range(4)
        ]
        return Load(self.writers)

    @property
    def key(self) -> str:
        return self.replicas[0].key

    def lease(self) -> IndexLease:
        """Who writes to the index, as the record says."""

        async def look() -> IndexLease:
            record = await Record.open(self.url, connections=1)
            try:
                return await record.index_leases.look(INDEX)
            finally:
                await record.close()

        return asyncio.run(look())

    def move_writers(self, to: MnemonServer) -> None:
        """All writers speak to one replica from now on; what is in doubt is sent there again."""
        for writer in self.writers:
            writer.connect(to.channel(self.key))

    def settle(self) -> None:
        """What is in doubt is sent again until it is answered."""
        for writer in self.writers:
            while writer.in_doubt is not None:
                try:
                    writer.settle()
                except Down:
                    time.sleep(0.1)

    def check(self, replica: MnemonServer) -> None:
        """The record holds what the writers know, and the index what the record holds."""
        self.settle()
        with replica.channel(self.key) as channel:
            self.checker.check(channel, self.writers, finished=True)

    def kill(self) -> None:
        for replica in self.replicas:
            if replica.process is not None and replica.process.poll() is None:
                replica.kill()


@pytest.mark.timeout(180)
def test_the_index_of_two_replicas_equals_the_record_after_its_writer_dies(
    tmp_path: Path, seed: str, postgres_url: str
) -> None:
    with milvus_process(tmp_path / "milvus") as milvus:
        pair = Pair(tmp_path, seed, postgres_url, milvus.uri)
        try:
            load = pair.start()
            first = pair.lease().holder
            load.start(until_down=False)
            time.sleep(2.0)
            pair.replicas[0].kill()  # it started first, so it is the one that writes to the index
            assert pair.lease().holder == first
            pair.move_writers(pair.replicas[1])
            time.sleep(2.0)
            load.stop()
            pair.check(pair.replicas[1])
            second = pair.lease().holder
            assert second not in (first, "")
            pair.replicas[0].start()
            with pair.replicas[0].channel(pair.key) as channel:
                check_index(AdminServiceStub(channel))
            assert pair.lease().holder not in (first, second)
            assert pair.replicas[0].stop() == pair.replicas[1].stop() == 0
            assert pair.lease().holder == ""
        finally:
            pair.kill()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_index_of_two_replicas_killed_in_turn(tmp_path: Path, seed: str, postgres_url: str) -> None:
    chance = random.Random(seed)
    with milvus_process(tmp_path / "milvus") as milvus:
        pair = Pair(tmp_path, seed, postgres_url, milvus.uri)
        try:
            load = pair.start()
            for number in range(20):
                victim, other = pair.replicas[number % 2], pair.replicas[(number + 1) % 2]
                pair.move_writers(other)
                for writer in pair.writers[::2]:
                    writer.connect(victim.channel(pair.key))
                load.start(until_down=False)
                time.sleep(chance.uniform(0.3, 2.0))
                victim.kill()
                pair.move_writers(other)
                time.sleep(chance.uniform(0.3, 2.0))
                load.stop()
                victim.start()
                pair.check(other)
                with victim.channel(pair.key) as channel:
                    check_index(AdminServiceStub(channel))
        finally:
            pair.kill()
