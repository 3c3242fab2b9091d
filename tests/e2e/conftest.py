"""One real server for all end-to-end tests that do not stop or change it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import grpc
import pytest

from support.server import MnemonServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    """A running server; each test works in scopes of its own."""
    with MnemonServer(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def channel(server: MnemonServer) -> Iterator[grpc.Channel]:
    """A channel to it that carries the default project's key."""
    with server.channel() as channel:
        yield channel


@pytest.fixture
def user() -> str:
    """A user id that no other test uses."""
    return f"user-{uuid.uuid4()}"
