"""PostgreSQL goes away and comes back under load: nothing acknowledged is lost or done twice."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from support.cutting_proxy import CuttingProxy, cutting_proxy
from support.fault_check import Checker
from support.fault_load import Down, Load, Writer
from support.postgres import PostgresServer, running_postgres
from support.server import running_server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of its own: it is stopped here."""
    with running_postgres() as server:
        yield server


@contextmanager
def proxy_before(port: int) -> Iterator[CuttingProxy]:
    """A cutting proxy that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    manager = cutting_proxy(port)
    try:
        yield asyncio.run_coroutine_threadsafe(manager.__aenter__(), loop).result(10)
        asyncio.run_coroutine_threadsafe(manager.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextmanager
def served_through_proxy(
    postgres_server: PostgresServer, postgres_url: str, directory: Path
) -> Iterator[tuple[CuttingProxy, grpc.Channel]]:
    """A server that reaches its database through a cutting proxy, and a channel to it."""
    with proxy_before(postgres_server.port) as proxy:
        url = postgres_url.replace(f":{postgres_server.port}/", f":{proxy.port}/")
        environment = {"MNEMON_EMBEDDING_PROVIDER": "none", "MNEMON_DATABASE_URL": url}
        with running_server(directory / "data", **environment) as server, server.channel() as channel:
            yield proxy, channel


@pytest.mark.timeout(180)
def test_a_database_that_stops_and_starts_loses_nothing(
    own_postgres: PostgresServer, tmp_path: Path, seed: str
) -> None:
    """It stops at once, as a crash does; its own settings are safe against that here (no power is lost)."""
    name = asyncio.run(own_postgres.create_database())
    environment = {"MNEMON_EMBEDDING_PROVIDER": "none", "MNEMON_DATABASE_URL": own_postgres.url(name)}
    with running_server(tmp_path / "data", **environment) as server, server.channel() as channel:
        load = Load([Writer(number, seed, channel) for number in range(4)])
        checker = Checker()
        for _ in range(2):
            load.start(until_down=False)
            time.sleep(1.0)
            own_postgres.stop()
            time.sleep(1.0)
            own_postgres.start()
            time.sleep(2.0)
            load.stop()
            _settle(load)
            checker.check(channel, load.writers)
        checker.check(channel, load.writers, finished=True)


@pytest.mark.timeout(180)
def test_connections_cut_at_the_commit_lose_nothing(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path, seed: str
) -> None:
    """Before the commit reaches the server, and after it took place but before its answer came."""
    with served_through_proxy(postgres_server, postgres_url, tmp_path) as (proxy, channel):
        load = Load([Writer(number, seed, channel) for number in range(4)])
        load.start(until_down=False)
        for number in range(20):
            proxy.armed = ("before", "after")[number % 2]
            deadline = time.monotonic() + 20
            while proxy.armed:
                assert time.monotonic() < deadline, "nobody commits any more"
                time.sleep(0.02)
        load.stop()
        assert proxy.cuts == 20
        _settle(load)
        Checker().check(channel, load.writers, finished=True)


@pytest.mark.timeout(180)
def test_a_slow_database_slows_the_service_and_loses_nothing(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path, seed: str
) -> None:
    """Every message to it takes 50 ms longer; then, for a moment, three seconds."""
    with served_through_proxy(postgres_server, postgres_url, tmp_path) as (proxy, channel):
        load = Load([Writer(number, seed, channel) for number in range(3)])
        load.start(until_down=False)
        for delay in (0.05, 3.0, 0.0):
            proxy.delay = delay
            time.sleep(3.0)
        load.stop()
        assert all(writer.done for writer in load.writers)
        _settle(load)
        Checker().check(channel, load.writers, finished=True)


def _settle(load: Load) -> None:
    """Sends what is in doubt again until the service is back."""
    deadline = time.monotonic() + 60
    for writer in load.writers:
        while writer.in_doubt is not None:
            try:
                writer.settle()
            except Down:
                assert time.monotonic() < deadline, "the service does not come back"
                time.sleep(0.1)
