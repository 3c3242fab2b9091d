"""A real Mnemon server as a process, for tests that speak to it from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from support.key_sender import KeySender, bearer

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 60
SHARED_MODELS = REPOSITORY / ".cache" / "models"
"""The local model, prepared once for all tests."""
_SERVES = re.compile(r"serves on (\S+)")


class MnemonServer:
    """`mnemon-service serve` on a free port of the loopback address; killed when the test is over.

    Use as a context manager, or `start` and `stop` by hand.
    """

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.environment = dict(environment or {})
        self.address = ""
        self.process: subprocess.Popen[str] | None = None
        self._output: list[str] = []
        self._errors: list[str] = []

    def start(self) -> Self:
        """Starts the process and waits for the line in which it names its address."""
        self._share_model()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mnemon_service", "serve", "--address", "127.0.0.1:0"],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        serving = threading.Event()
        for stream, lines in ((self.process.stdout, self._output), (self.process.stderr, self._errors)):
            threading.Thread(target=self._read, args=(stream, lines, serving), daemon=True).start()
        if not serving.wait(START_SECONDS) or not self.address:
            self.kill()
            raise AssertionError("the server did not start:\n" + self.errors)
        return self

    def stop(self) -> int:
        """Asks the process to end, as Ctrl-C does; its exit status."""
        process = self._running()
        process.send_signal(signal.SIGINT)
        return process.wait(30)

    def kill(self) -> None:
        """Ends the process at once, as `kill -9` does, and waits until its children noticed."""
        import psutil

        process = self._running()
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait(30)
        psutil.wait_procs(children, timeout=10)

    @property
    def output(self) -> str:
        """What it printed so far."""
        return "".join(self._output)

    @property
    def errors(self) -> str:
        """What it logged so far."""
        return "".join(self._errors)

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process and its children now."""
        import psutil

        process = psutil.Process(self._running().pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))

    @property
    def key(self) -> str:
        """The ADMIN key of the default project that the first start made."""
        return self._key("default")

    @property
    def root_key(self) -> str:
        """The ROOT key that the first start made."""
        return self._key("root")

    def _key(self, name: str) -> str:
        return (self.data_dir / "keys" / f"{name}.key").read_text().strip()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Metadata of calls with the default project's key."""
        return bearer(self.key)

    def channel(self, key: str | None = None) -> grpc.Channel:
        """A plaintext channel to it whose calls carry a key: the default project's unless another is
        given; "" carries none."""
        plain = grpc.insecure_channel(self.address)
        if key == "":
            return plain
        return grpc.intercept_channel(plain, KeySender(self.key if key is None else key))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def _running(self) -> subprocess.Popen[str]:
        assert self.process is not None, "the server was not started"
        return self.process

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MNEMON_", "OTEL_"))}
        return {
            **kept,
            "MNEMON_DATA_DIR": str(self.data_dir),
            "MNEMON_LOG_FORMAT": "json",
            **self.environment,
        }

    def _share_model(self) -> None:
        models = self.data_dir / "models"
        if not models.exists():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            SHARED_MODELS.mkdir(parents=True, exist_ok=True)
            models.symlink_to(SHARED_MODELS)

    def _read(self, stream: Iterator[str] | None, lines: list[str], serving: threading.Event) -> None:
        for line in stream or ():
            lines.append(line)
            if found := _SERVES.search(line):
                self.address = found.group(1)
            if "try " in line and self.address:
                serving.set()
        serving.set()


@contextmanager
def running_server(data_dir: Path, **environment: str) -> Iterator[MnemonServer]:
    """A server with these variables set, until the block ends."""
    with MnemonServer(data_dir, environment) as server:
        yield server
