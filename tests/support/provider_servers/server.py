"""Runs a provider's double: a real HTTP server on a free port of this machine, scripted by the test."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True)
class Fault:
    """What the next request meets instead of the normal answer."""

    status: int = 0
    """The HTTP status of an error answer; 0 for one of the behaviours below."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """Sent as JSON; None for the provider's own shape of an error."""
    raw: bytes | None = None
    """Sent as it is with content type JSON and status 200, for instance JSON that was cut off."""
    hang: bool = False
    """Never answer; the connection stays open until the client leaves or the server stops."""
    reset: bool = False
    """Send half an answer, then reset the connection."""
    after: int | None = None
    """Of a streamed answer: first answer normally, up to and with so many events. Then hang, reset, or
    send `raw` (an error event, or nothing) and end in good order."""


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    """Parsed JSON; None if the body was empty."""


class ProviderServer:
    """A double of one provider: its address, what it saw, and what it shall do next.

    Thread-safe: the test runs in one thread, the server in another.
    """

    def __init__(self, error_body: Callable[[int], Any]) -> None:
        self._error_body = error_body
        self._faults: deque[Fault] = deque()
        self._always: Fault | None = None
        self.seen: list[Seen] = []
        self.arrived = threading.Event()
        """Set when a request has arrived."""
        self.left = threading.Event()
        """Set when the client of a hanging request has gone away."""
        self.url = ""
        """`http://127.0.0.1:port`, without a slash at the end."""
        self._hanging: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def next(self, *faults: Fault) -> None:
        """The coming requests meet these faults, one each; later ones are answered normally."""
        self._faults.extend(faults)

    def always(self, fault: Fault | None) -> None:
        """Every request meets this fault, until told otherwise."""
        self._always = fault

    def forget(self) -> None:
        """Answer normally again, whatever was planned."""
        self._faults.clear()
        self._always = None

    def bodies(self) -> list[Any]:
        """The bodies of all requests seen, in order."""
        return [seen.body for seen in self.seen]

    def application(self, inner: ASGIApp) -> ASGIApp:
        """`inner` behind the script of faults; bodies are read once and replayed."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await inner(scope, receive, send)
                return
            request = Request(scope, receive)
            body = await request.body()
            self.seen.append(
                Seen(
                    request.method,
                    request.url.path,
                    dict(request.query_params),
                    dict(request.headers),
                    json.loads(body) if body else None,
                )
            )
            self.arrived.set()
            fault = self._faults.popleft() if self._faults else self._always
            if fault is None:
                await inner(scope, _replay(body, receive), send)
            elif fault.after is not None:
                await self._break_off(fault, inner, scope, body, receive, send)
            else:
                await self._meet(fault, scope, receive, send)

        return application

    async def _meet(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.hang:
            await self._hang(receive)
        elif fault.reset:
            await _half_an_answer(send)
            _reset(scope)
        elif fault.raw is not None:
            await Response(fault.raw, media_type="application/json", headers=dict(fault.headers))(
                scope, receive, send
            )
        else:
            body = self._error_body(fault.status) if fault.body is None else fault.body
            answer = Response(
                json.dumps(body), fault.status or 200, dict(fault.headers), media_type="application/json"
            )
            await answer(scope, receive, send)

    async def _break_off(
        self, fault: Fault, inner: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> None:
        left = fault.after or 0

        async def send_some(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.body":
                if left == 0:
                    return
                left -= 1
                message = {**message, "more_body": True}
            await send(message)

        await inner(scope, _replay(body, receive), send_some)
        if fault.hang:
            await self._hang(receive)
        elif fault.reset:
            _reset(scope)
        else:
            await send({"type": "http.response.body", "body": fault.raw or b"", "more_body": False})

    async def _hang(self, receive: Receive) -> None:
        stop = asyncio.Event()
        self._hanging.append((asyncio.get_running_loop(), stop))
        gone = asyncio.ensure_future(_disconnected(receive))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait([gone, stopped], return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            self.left.set()
        gone.cancel()
        stopped.cancel()

    def stop(self) -> None:
        """Let hanging requests go."""
        for loop, stop in self._hanging:
            loop.call_soon_threadsafe(stop.set)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _half_an_answer(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"data": [', "more_body": True})


def _reset(scope: Scope) -> None:
    transport = scope["extensions"]["mnemon.transport"]
    connection: socket.socket = transport.get_extra_info("socket")
    # Lingering for no time makes close() send RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Protocol(H11Protocol):
    """uvicorn's HTTP protocol that tells the application its transport, so that it can be reset."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        inner = self.app

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})["mnemon.transport"] = transport
            await inner(scope, receive, send)

        self.app = application


def event_stream(events: Sequence[bytes], seconds: float = 0.0) -> StreamingResponse:
    """Server-sent events (WHATWG HTML, §9.2), each in a piece of its own, spread over `seconds`."""

    async def pieces() -> AsyncIterator[bytes]:
        for event in events:
            yield event
            if seconds:
                await asyncio.sleep(seconds / len(events))

    return StreamingResponse(pieces(), media_type="text/event-stream")


def event(data: Any, name: str = "") -> bytes:
    """One server-sent event: JSON, or text as it is."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


@contextmanager
def serve(application: Starlette, error_body: Callable[[int], Any]) -> Iterator[ProviderServer]:
    """A running double of a provider that speaks through `application`.

    `error_body` gives the JSON that this provider sends with an error status.
    """
    provider = ProviderServer(error_body)
    # Named as TCP so that asyncio turns Nagle off: else every answer waits 40 ms for a delayed ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    provider.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.listen(128)
    config = uvicorn.Config(
        provider.application(application),
        http=_Protocol,
        loop="asyncio",
        log_config=None,
        log_level=logging.CRITICAL + 1,  # a hang and a reset look to it like faults of the application
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.stop()
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
