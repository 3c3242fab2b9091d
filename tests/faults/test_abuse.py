"""Clients that mean harm or have gone wrong: the others are answered, and memory stays bounded."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.scope_pb2 import Scope
from support.certificates import Authority
from support.server import MnemonServer, running_server
from support.silent_reader import STREAMS_A_CONNECTION

ANSWER_SECONDS = 1.0
"""Within which anybody else is answered, on a machine that is busy with other tests too."""
HANDSHAKE_SECONDS = 10.0
"""How long the server waits for a client to speak."""
MEBIBYTE = 2**20
PAGE_MEBIBYTES = 10
"""What one stream may hold on average: 500 memories of 8 KiB as read and as sent, and one message."""
NOTHING_MORE = {"MNEMON_EMBEDDING_PROVIDER": "none"}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
CLIENT_HELLO_BEGUN = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32
"""The first bytes of a TLS handshake that is never gone on with."""


class Someone:
    """Another client, each time on a connection of its own."""

    def __init__(self, server: MnemonServer, authority: Authority | None = None) -> None:
        self._server = server
        self._credentials = grpc.ssl_channel_credentials(authority.certificate) if authority else None

    def channel(self) -> grpc.Channel:
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self._credentials is None:
            return grpc.insecure_channel(self._server.address, options=options)
        return grpc.secure_channel(self._server.address, self._credentials, options=options)

    def seconds(self) -> float:
        """How long connecting and a call take."""
        begun = time.monotonic()
        with self.channel() as channel:
            self.ask(channel)
        return time.monotonic() - begun

    def ask(self, channel: grpc.Channel) -> None:
        request = admin.GetProjectRequest()
        AdminServiceStub(channel).GetProject(request, metadata=self._server.metadata, timeout=10)


def eventually(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def connections_of(server: MnemonServer) -> int:
    """Client connections that the server process holds."""
    assert server.process is not None
    port = int(server.address.rpartition(":")[2])
    held = psutil.Process(server.process.pid).net_connections("tcp")
    return sum(one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in held)


@contextlib.contextmanager
def opened(server: MnemonServer, many: int, first_words: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that say this and nothing more."""
    host, _, port = server.address.rpartition(":")
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(many):
            made.append(stack.enter_context(socket.create_connection((host, int(port)), timeout=10)))
            with contextlib.suppress(OSError):  # the server may have closed it already
                made[-1].sendall(first_words)
            made[-1].setblocking(False)
        yield made


def closed(sockets: list[socket.socket]) -> int:
    """How many of them the server has closed."""
    return sum(map(_is_closed, sockets))


def _is_closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def test_a_flood_of_connections_leaves_the_others_their_answers(tmp_path: Path) -> None:
    with running_server(tmp_path, **NOTHING_MORE) as server:
        someone = Someone(server)
        someone.seconds()
        before = server.resident_bytes
        with opened(server, 1_500, b""), opened(server, 1_500, PREFACE):
            for _ in range(50):
                assert someone.seconds() < ANSWER_SECONDS
            grown = server.resident_bytes - before
        assert grown < 100 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB for 3,000 connections"
        eventually(lambda: connections_of(server) == 0, 10, "connections are left")


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True], ids=["plaintext", "TLS"])
def test_who_connects_and_does_not_go_on_is_closed(tmp_path: Path, encrypted: bool) -> None:
    authority, environment = None, dict(NOTHING_MORE)
    if encrypted:
        authority = Authority()
        pair = authority.server()
        (tmp_path / "server.crt").write_bytes(pair.certificate)
        (tmp_path / "server.key").write_bytes(pair.key)
        environment |= {
            "MNEMON_TLS_CERTIFICATE_FILE": str(tmp_path / "server.crt"),
            "MNEMON_TLS_KEY_FILE": str(tmp_path / "server.key"),
        }
    with running_server(tmp_path / "data", **environment) as server:
        someone = Someone(server, authority)
        someone.seconds()
        second_words = CLIENT_HELLO_BEGUN if encrypted else PREFACE
        with opened(server, 1_500, b"") as silent, opened(server, 1_500, second_words) as speaking:
            deadline = time.monotonic() + HANDSHAKE_SECONDS + 5
            while closed(silent) + closed(speaking) < 3_000:
                assert time.monotonic() < deadline, "they hold their places"
                assert someone.seconds() < ANSWER_SECONDS


def test_connections_past_the_maximum_are_closed_and_those_within_it_go_on(tmp_path: Path) -> None:
    with running_server(tmp_path, MNEMON_MAXIMUM_CONNECTIONS="40", **NOTHING_MORE) as server:
        someone = Someone(server)
        with someone.channel() as known:
            someone.ask(known)
            with opened(server, 200, PREFACE + SETTINGS) as flood:
                eventually(lambda: closed(flood) >= 160, 10, "more than the maximum are open")
                assert closed(flood) == 161, "one place is taken by the client that was there before"
                assert connections_of(server) == 40
                someone.ask(known)
                with pytest.raises(grpc.RpcError), someone.channel() as late:
                    AdminServiceStub(late).GetProject(
                        admin.GetProjectRequest(), metadata=server.metadata, timeout=1
                    )
            eventually(lambda: connections_of(server) <= 1, 5, "places are not given back")
            assert someone.seconds() < ANSWER_SECONDS


def store_much(server: MnemonServer, user: str, mebibytes: int) -> None:
    """Memories of 8 KiB each."""
    text = "stone upon stone the walls grow higher " * 200
    with server.channel() as channel:
        stub = MemoryServiceStub(channel)
        options = pb.ImportOptions(scope=Scope(user_id=user), request_id=uuid.uuid4().hex)
        rows = [pb.ImportRow(row=place, text=f"{place} {text}") for place in range(1, mebibytes * 128 + 1)]
        pieces = [rows[start : start + 100] for start in range(0, len(rows), 100)]
        messages = [pb.ImportMemoriesRequest(rows=pb.ImportRows(rows=piece)) for piece in pieces]
        done = stub.ImportMemories(iter([pb.ImportMemoriesRequest(options=options), *messages]))
        assert done.result.imported_count == len(rows), done


@contextlib.contextmanager
def silent_readers(server: MnemonServer, user: str, connections: int) -> Iterator[psutil.Process]:
    """A process that holds streams open and reads no more of them."""
    arguments = [server.address, server.key, user, str(connections)]
    process = subprocess.Popen(
        [sys.executable, "-m", "support.silent_reader", *arguments],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def ended_streams(server: MnemonServer) -> int:
    """Streams of silent readers that the server says are over."""
    methods = ("WatchMemories", "ExportMemories")
    return sum(
        '"event": "call"' in line and any(name in line for name in methods)
        for line in server.errors.splitlines()
    )


def test_readers_who_do_not_read_cost_a_bounded_amount_and_vanished_ones_are_cleared(tmp_path: Path) -> None:
    """A stream holds one page, however much it has to say. Then the reader's process is stopped: its machine
    still takes packets, nobody answers them."""
    keepalive = {"MNEMON_KEEPALIVE_SECONDS": "2", "MNEMON_KEEPALIVE_TIMEOUT_SECONDS": "2"}
    connections = 10
    with running_server(tmp_path, **NOTHING_MORE, **keepalive) as server:
        someone = Someone(server)
        store_much(server, "ana", 5)
        before = server.resident_bytes
        with silent_readers(server, "ana", connections) as reader:
            for _ in range(20):
                assert someone.seconds() < ANSWER_SECONDS
            streams = connections * STREAMS_A_CONNECTION
            grown = (server.resident_bytes - before) / MEBIBYTE
            print(f"{streams} unread streams: {grown:+.0f} MiB")
            assert grown < streams * PAGE_MEBIBYTES
            held = 2 * connections - ended_streams(server)
            assert held >= connections, "the watchers, at least, wait for their reader"
            reader.suspend()
            begun = time.monotonic()
            eventually(lambda: connections_of(server) == 0, 20, "half-open connections stay")
            eventually(lambda: ended_streams(server) == 2 * connections, 5, "their streams stay")
            print(f"cleared after {time.monotonic() - begun:.1f} s")
            assert someone.seconds() < ANSWER_SECONDS
            assert (server.resident_bytes - before) / MEBIBYTE < streams * PAGE_MEBIBYTES
