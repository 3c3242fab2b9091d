"""Milvus as a process of its own that several servers reach by its URI: Milvus Lite behind its gRPC port."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SERVE = """
import sys
from milvus_lite.adapter.grpc.server import start_server_in_thread
server, database, port = start_server_in_thread(sys.argv[1], port=int(sys.argv[2]), max_workers=1)
print(port, flush=True)
sys.stdin.read()
server.stop(grace=2).wait()
database.close()
"""
"""One worker: Milvus Lite is not safe for calls that overlap on one collection. It ends with its input."""


class MilvusProcess:
    """Goes away and comes back on the same port with the same data."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def uri(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Answers from now on."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(self._directory), str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Ends with everything written: a server, unlike Milvus Lite, loses nothing that it acknowledged."""
        if self._process is not None:
            self._process.communicate(timeout=60)
            self._process = None

    def hang(self) -> None:
        """Does not answer, and does not say so."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answers again, what was asked meanwhile too."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextlib.contextmanager
def milvus_process(directory: Path) -> Iterator[MilvusProcess]:
    """One that runs."""
    milvus = MilvusProcess(directory)
    milvus.start()
    try:
        yield milvus
    finally:
        milvus.go_on()
        milvus.stop()
