"""A real server under a mixed load is killed again and again: nothing acknowledged is lost, nothing is
there twice, nothing deleted comes back, and log, record and index agree after each restart."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from support.fault_check import Checker
from support.fault_load import Load, Writer
from support.server import REPOSITORY, MnemonServer

WRITERS = 4
ENVIRONMENT = {"MNEMON_EMBEDDING_PROVIDER": "none", "MNEMON_LOG_LEVEL": "error"}
LONGEST_RUN = 1.2
"""Seconds of load before a kill at random."""


class Campaign:
    """One data directory, killed many times."""

    def __init__(self, data_dir: Path, seed: str, database_url: str = "") -> None:
        environment = dict(ENVIRONMENT)
        if database_url:
            environment["MNEMON_DATABASE_URL"] = database_url
        self.server = MnemonServer(data_dir, environment)
        self.seed = seed
        self.random = random.Random(seed)
        self.writers: list[Writer] = []
        self.checker = Checker()
        self.kills: dict[str, int] = {}

    def run(self, kills: int, ways: Sequence[Callable[[Campaign], None]]) -> None:
        """Kills the server so many times, in ways chosen by the seed; checks after each restart."""
        for number in range(kills):
            with self._started():
                if number:
                    self.checker.check(self.server.channel(), self.writers)
                load = Load(self.writers)
                load.start()
                way = ways[number % len(ways)]
                way(self)
                self.kills[way.__name__] = self.kills.get(way.__name__, 0) + 1
                load.stop()
        with self._started():
            self.checker.check(self.server.channel(), self.writers, finished=True)
            assert self.server.stop() == 0
        self._check_offline()
        print(
            f"{sum(self.kills.values())} kills {self.kills}, {self.checker.position} changes, "
            f"{sum(writer.done for writer in self.writers)} steps, "
            f"{sum(writer.retried for writer in self.writers)} retried writes"
        )

    @contextlib.contextmanager
    def _started(self) -> Iterator[None]:
        self.server.start()
        try:
            channel = self.server.channel()
            if not self.writers:
                self.writers = [Writer(number, self.seed, channel) for number in range(WRITERS)]
            for writer in self.writers:
                writer.connect(channel)
            yield
            channel.close()
        finally:
            process = self.server.process
            if process is not None and process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)
                self.server.kill()
        assert "Traceback" not in self.server.errors, self.server.errors

    def _check_offline(self) -> None:
        """`mnemon-service verify` says the same of the files on disk."""
        ended = subprocess.run(
            [sys.executable, "-m", "mnemon_service", "verify"],
            env={**os.environ, **self.server.environment, "MNEMON_DATA_DIR": str(self.server.data_dir)},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    # Looking at the server from outside

    @property
    def process(self) -> psutil.Process:
        assert self.server.process is not None
        return psutil.Process(self.server.process.pid)

    def milvus_child(self) -> psutil.Process | None:
        for child in self.process.children():
            with contextlib.suppress(psutil.Error):
                if any("lite_process" in word for word in child.cmdline()):
                    return child
        return None

    def pause(self) -> None:
        """Lets the load run for a random while."""
        time.sleep(self.random.uniform(0.05, LONGEST_RUN))

    def wait_until(self, query: str, happened: Callable[[int, int], bool]) -> None:
        """Polls the SQLite record until a number in it has changed as wanted, at most a second."""
        connection = sqlite3.connect(f"file:{self.server.data_dir / 'mnemon.db'}?mode=ro", uri=True)
        try:
            first = int(connection.execute(query).fetchone()[0] or 0)
            deadline = time.monotonic() + LONGEST_RUN
            while time.monotonic() < deadline:
                if happened(first, int(connection.execute(query).fetchone()[0] or 0)):
                    return
        finally:
            connection.close()


def at_random(campaign: Campaign) -> None:
    """Anywhere."""
    campaign.pause()
    campaign.server.kill()


def right_after_a_commit(campaign: Campaign) -> None:
    """A change is in the record; its caller has no answer and the index has not seen it."""
    campaign.pause()
    campaign.wait_until("SELECT sum(last_sequence) FROM projects", lambda first, now: now > first)
    campaign.server.kill()


def in_the_middle_of_an_operation(campaign: Campaign) -> None:
    """A worker has claimed an operation and not finished it."""
    campaign.pause()
    query = "SELECT count(*) FROM operations WHERE state = 'RUNNING'"
    campaign.wait_until(query, lambda _first, now: now > 0)
    campaign.server.kill()


def the_index_before_the_server(campaign: Campaign) -> None:
    """Milvus Lite dies first, while it writes; the server goes on without it for a moment."""
    campaign.pause()
    if child := campaign.milvus_child():
        child.kill()
    time.sleep(campaign.random.uniform(0, 0.3))
    campaign.server.kill()


def while_the_index_flushes(campaign: Campaign) -> None:
    """Milvus Lite writes a file of rows at this moment; both die."""
    campaign.pause()
    index = campaign.server.data_dir / "index" / "lite"
    before = {path for path in index.rglob("*") if path.is_file()}
    deadline = time.monotonic() + LONGEST_RUN
    while time.monotonic() < deadline:
        if {path for path in index.rglob("*") if path.is_file()} - before:
            break
    if child := campaign.milvus_child():
        child.kill()
    campaign.server.kill()


def after_standing_still(campaign: Campaign) -> None:
    """The process stands still for a moment in the middle of everything, then dies."""
    campaign.pause()
    os.kill(campaign.process.pid, signal.SIGSTOP)
    time.sleep(campaign.random.uniform(0, 0.2))
    campaign.server.kill()


def soon_after_the_start(campaign: Campaign) -> None:
    """While what the last kill left over is still being taken up."""
    time.sleep(campaign.random.uniform(0, 0.05))
    campaign.server.kill()


ON_SQLITE = [
    right_after_a_commit,
    the_index_before_the_server,
    in_the_middle_of_an_operation,
    while_the_index_flushes,
    soon_after_the_start,
    at_random,
    after_standing_still,
]
ANYWHERE = [at_random, the_index_before_the_server, soon_after_the_start, after_standing_still]


@pytest.mark.timeout(240)
def test_a_killed_server_loses_nothing(tmp_path: Path, seed: str) -> None:
    Campaign(tmp_path / "data", seed).run(7, ON_SQLITE)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_hundred_kills(tmp_path: Path, seed: str) -> None:
    Campaign(tmp_path / "data", seed).run(200, ON_SQLITE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_kills_on_postgresql(tmp_path: Path, seed: str, postgres_url: str) -> None:
    Campaign(tmp_path / "data", seed, postgres_url).run(50, ANYWHERE)
