"""Milvus as a process of its own that several servers reach by its URI: Milvus Lite behind its gRPC port."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SERVE = """
import sys
from milvus_lite.adapter.grpc.server import start_server_in_thread
server, database, port = start_server_in_thread(sys.argv[1], max_workers=1)
print(port, flush=True)
sys.stdin.read()
server.stop(grace=2).wait()
database.close()
"""
"""One worker: Milvus Lite is not safe for calls that overlap on one collection. It ends with its input."""


@contextlib.contextmanager
def milvus_process(directory: Path) -> Iterator[str]:
    """Its URI, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.communicate(timeout=30)
