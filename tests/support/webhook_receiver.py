"""A receiver of webhooks: a real HTTP server on a free port that answers as the test says."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Arrived:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        """The document."""
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The message's id."""
        return self.headers["webhook-id"]


class WebhookReceiver:
    """What arrived, and what the next requests are answered."""

    def __init__(self) -> None:
        self.url = ""
        self.arrived: list[Arrived] = []
        self._answers: deque[tuple[int, Mapping[str, str]]] = deque()
        self._always: tuple[int, Mapping[str, str]] = (204, {})
        self._changed = threading.Condition()

    def answer(self, *statuses: int, **headers: str) -> None:
        """The coming requests get these statuses, one each; later ones the usual."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers.extend((status, named) for status in statuses)

    def always(self, status: int, **headers: str) -> None:
        """What is usual."""
        self._always = (status, headers)

    def wait(self, count: int) -> list[Arrived]:
        """The first requests, once so many have arrived."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.arrived) >= count, WAIT_SECONDS)
            assert came, f"only {len(self.arrived)} of {count} requests arrived"
            return list(self.arrived[:count])

    def take(self, request: Arrived) -> tuple[int, Mapping[str, str]]:
        """Notes a request; its answer."""
        with self._changed:
            self.arrived.append(request)
            self._changed.notify_all()
            return self._answers.popleft() if self._answers else self._always


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A running receiver."""
    receiver = WebhookReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            named = {name.lower(): value for name, value in self.headers.items()}
            status, headers = receiver.take(Arrived(self.path, named, body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # past the library's 5, connections wait a second

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
