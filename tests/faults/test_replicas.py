"""Two replicas share a record on PostgreSQL, each with an index of its own; one is killed under load."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import grpc
import pytest

from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from support.fault_check import Checker, check_index
from support.fault_load import Down, Load, Writer
from support.server import MnemonServer


class Roaming(Writer):
    """A writer that goes to the other replica when its own does not answer."""

    replicas: list[MnemonServer]
    key: str

    def step(self) -> None:
        """As before; a write in doubt is sent again to the other replica."""
        try:
            super().step()
        except Down:
            self.roam()
            raise

    def roam(self) -> None:
        """Speaks to the other replica from now on."""
        self.replicas = self.replicas[::-1]
        self.connect(self.replicas[0].channel(self.key))


class Follower:
    """Watches the whole log; after a break it goes on with its token at the other replica."""

    def __init__(self, replicas: list[MnemonServer], key: str) -> None:
        self.sequences: list[int] = []
        self.breaks = 0
        self._replicas = replicas
        self._key = key
        self._token = ""
        self._stop = threading.Event()
        self._call: grpc.Call | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            request = pb.WatchMemoriesRequest(project_wide=True, resume_token=self._token)
            if not self._token:
                request.after_sequence = 0
            try:
                with self._replicas[0].channel(self._key) as channel:
                    call = MemoryServiceStub(channel).WatchMemories(request)
                    self._call = call
                    for message in call:
                        self.sequences.extend(version.sequence for version in message.versions)
                        self._token = message.resume_token
            except grpc.RpcError:
                if not self._stop.wait(0.1):
                    self.breaks += 1
                    self._replicas = self._replicas[::-1]

    def stop(self) -> None:
        """Ends the watch."""
        self._stop.set()
        if self._call is not None:
            self._call.cancel()
        self._thread.join(10)

    def has_seen(self, position: int) -> bool:
        """Waits until it has seen so much of the log."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.sequences and self.sequences[-1] >= position:
                return True
            time.sleep(0.05)
        return False


def campaign(tmp_path: Path, seed: str, url: str, kills: int) -> None:
    """Kills one replica after the other; the load and the watchers go on at the one that is left."""
    chance = random.Random(seed)
    environment = {"MNEMON_EMBEDDING_PROVIDER": "none", "MNEMON_DATABASE_URL": url}
    replicas = [MnemonServer(tmp_path / name, environment) for name in ("one", "two")]
    try:
        for replica in replicas:
            replica.start()
        key = replicas[0].key
        writers = []
        for number in range(4):
            home = replicas if number % 2 else replicas[::-1]
            writer = Roaming(number, seed, home[0].channel(key))
            writer.replicas, writer.key = home, key
            writers.append(writer)
        watchers = [Follower(replicas, key), Follower(replicas[::-1], key)]
        load, checker = Load(list(writers)), Checker()
        load.start(until_down=False)
        for number in range(kills):
            victim = replicas[number % 2]
            time.sleep(chance.uniform(0.5, 1.5))
            victim.kill()
            time.sleep(chance.uniform(0.2, 1.0))
            victim.start()
        time.sleep(1.0)
        load.stop()
        for writer in writers:
            while writer.in_doubt is not None:
                try:
                    writer.settle()
                except Down:
                    time.sleep(0.1)
        with replicas[0].channel(key) as first, replicas[1].channel(key) as second:
            checker.check(first, list(writers), finished=True)
            check_index(AdminServiceStub(second))
            Checker().check(second, list(writers), finished=True)
        for watcher in watchers:
            assert watcher.has_seen(checker.position)
            watcher.stop()
            assert watcher.sequences == list(range(1, checker.position + 1))
        assert sum(watcher.breaks for watcher in watchers) >= kills
    finally:
        for replica in replicas:
            if replica.process is not None and replica.process.poll() is None:
                replica.kill()


@pytest.mark.timeout(180)
def test_a_killed_replica_loses_nothing(tmp_path: Path, seed: str, postgres_url: str) -> None:
    campaign(tmp_path, seed, postgres_url, kills=2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_replicas_killed_in_turn(tmp_path: Path, seed: str, postgres_url: str) -> None:
    campaign(tmp_path, seed, postgres_url, kills=30)
