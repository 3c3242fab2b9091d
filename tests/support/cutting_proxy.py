"""A TCP proxy before PostgreSQL that cuts connections at a named point of the conversation, or is slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class CuttingProxy:
    """Forwards bytes; when armed, the connection that sends `COMMIT` next is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.armed = ""
        """`before`: the server never sees the COMMIT; `after`: it does, but its answer is lost."""
        self.cuts = 0
        self.delay = 0.0
        """Seconds that everything takes longer on its way to the server."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._copy(upstream, writer))
        self._tasks.add(back)
        try:
            while data := await reader.read(65536):
                if self.armed and b"COMMIT;" in data:
                    how, self.armed = self.armed, ""
                    back.cancel()
                    await asyncio.wait([back])
                    if how == "after":
                        to_server.write(data)
                        await to_server.drain()
                        await upstream.read(65536)
                    self.cuts += 1
                    break
                if self.delay:
                    await asyncio.sleep(self.delay)
                to_server.write(data)
                await to_server.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()
            to_server.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def cutting_proxy(port: int) -> AsyncIterator[CuttingProxy]:
    """A proxy before the server at a port of 127.0.0.1."""
    proxy = CuttingProxy(port)
    proxy._server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    try:
        yield proxy
    finally:
        proxy._server.close()
