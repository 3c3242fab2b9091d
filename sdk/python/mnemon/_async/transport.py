"""Calls over `grpc.aio`: channel, retries, streams. Its blocking twin is `mnemon/_sync/transport.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc
from grpc import aio

from mnemon._connection import Connection
from mnemon._errors import ConfigurationError, MnemonError
from mnemon._metadata import call_metadata
from mnemon._retry import RetryPolicy, Tries
from mnemon._status import error_from
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub

if TYPE_CHECKING:
    from mnemon.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from mnemon.v1.memory_service_pb2_grpc import MemoryServiceAsyncStub
    from mnemon.v1.search_service_pb2_grpc import SearchServiceAsyncStub

STATUS_SECONDS = 0.05
"""How long after a failed write the call's true status is waited for."""

Q = TypeVar("Q")
M = TypeVar("M")


class AsyncTransport:
    """One channel and how calls go over it.

    The channel is opened by the first call, on the event loop that runs then.
    """

    def __init__(self, connection: Connection, timeout: float, retry: RetryPolicy) -> None:
        self.connection = connection
        self.timeout = timeout
        self.retry = retry
        self._channel: aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._memory: MemoryServiceAsyncStub | None = None
        self._search: SearchServiceAsyncStub | None = None
        self._admin: AdminServiceAsyncStub | None = None

    @property
    def memory(self) -> MemoryServiceAsyncStub:
        """The stub of MemoryService."""
        self._open()
        assert self._memory is not None  # noqa: S101
        return self._memory

    @property
    def search(self) -> SearchServiceAsyncStub:
        """The stub of SearchService."""
        self._open()
        assert self._search is not None  # noqa: S101
        return self._search

    @property
    def admin(self) -> AdminServiceAsyncStub:
        """The stub of AdminService."""
        self._open()
        assert self._admin is not None  # noqa: S101
        return self._admin

    def _open(self) -> None:
        if self._closed:
            raise ConfigurationError("the client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise ConfigurationError("one AsyncClient serves one event loop; make another for this loop")
        target, options = self.connection.target, list(self.connection.options)
        credentials = self.connection.credentials
        if credentials is None:
            channel = aio.insecure_channel(target, options=options)
        else:
            channel = aio.secure_channel(target, credentials, options=options)
        self._loop, self._channel = loop, channel
        self._memory = MemoryServiceStub(channel)
        self._search = SearchServiceStub(channel)
        self._admin = AdminServiceStub(channel)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with the next call."""
        return call_metadata(self.connection.api_key)

    async def unary(
        self,
        method: aio.UnaryUnaryMultiCallable[Q, M],
        request: Q,
        timeout: float | None,
        *,
        safe: bool = True,
    ) -> M:
        """The answer to one call, after as many tries as help. `safe`: repeating it cannot do a thing
        twice.
        """
        tries = Tries(self.retry, self.timeout if timeout is None else timeout, safe=safe)
        while True:
            try:
                return await method(request, timeout=tries.remaining(), metadata=self.metadata())
            except grpc.RpcError as failure:
                error = error_from(failure)
            await self.pause(tries.next_delay(error))

    async def upload(
        self,
        method: aio.StreamUnaryMultiCallable[Q, M],
        requests: Callable[[], AsyncIterator[Q]],
        timeout: float | None,
        *,
        repeatable: bool,
    ) -> M:
        """The answer to a stream of requests. `repeatable`: `requests` gives the same ones every time."""
        tries = Tries(self.retry, timeout, safe=repeatable)
        while True:
            call = method(timeout=tries.remaining(), metadata=self.metadata())
            try:
                return await _send_all(call, requests())
            except grpc.RpcError as failure:
                error = error_from(failure)
            finally:
                call.cancel()
            await self.pause(tries.next_delay(error))

    async def pause(self, seconds: float) -> None:
        """Waits before another try."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Closes the channel; calls that still run are cancelled."""
        self._closed = True
        if self._channel is not None and self._loop is asyncio.get_running_loop():
            await self._channel.close()
        self._channel = None


async def _send_all(call: aio.StreamUnaryCall[Q, M], requests: AsyncIterator[Q]) -> M:
    # Given as an iterator, an error in it would end as a bare cancellation; written, it reaches the caller.
    async for request in requests:
        try:
            await call.write(request)
        except (asyncio.InvalidStateError, aio.AioRpcError):
            break  # the server ended the call early; not the failed write but the answer says why
    else:
        await call.done_writing()
    return await call


class AsyncDownload(Generic[Q, M]):
    """The messages of one server stream. Until the first has come, a failed call is tried again."""

    def __init__(
        self,
        transport: AsyncTransport,
        method: aio.UnaryStreamMultiCallable[Q, M],
        request: Q,
        timeout: float | None,
    ) -> None:
        self._transport = transport
        self._method = method
        self._request = request
        self._tries = Tries(transport.retry, timeout, safe=True)
        self._call: aio.UnaryStreamCall[Q, M] | None = None
        self._messages: AsyncIterator[M] | None = None
        self._begun = False
        self._left = asyncio.Event()

    def start(self) -> None:
        """Sends the request, if it was not sent yet."""
        if self._call is None:
            self._call = self._method(
                self._request, timeout=self._tries.remaining(), metadata=self._transport.metadata()
            )
            self._messages = aiter(self._call)

    async def read(self) -> M | None:
        """The next message; None after the last, or once the stream was left."""
        while not self._left.is_set():
            self.start()
            assert self._messages is not None  # noqa: S101
            try:
                message = await anext(self._messages, None)
                self._begun = True
                return message
            except asyncio.CancelledError:
                if self._left.is_set():
                    return None
                raise
            except grpc.RpcError as failure:
                error = error_from(failure)
            if self._begun:
                raise error
            await self._transport.pause(self._tries.next_delay(error))
            self._call = None
        return None

    def cancel(self) -> None:
        """Ends the call on both sides; does nothing if it has ended."""
        self._left.set()
        if self._call is not None:
            self._call.cancel()


class AsyncDialogue(Generic[Q, M]):
    """A stream in both directions."""

    def __init__(
        self, transport: AsyncTransport, method: aio.StreamStreamMultiCallable[Q, M], timeout: float | None
    ) -> None:
        self._left = asyncio.Event()
        self._call: aio.StreamStreamCall[Q, M] = method(timeout=timeout, metadata=transport.metadata())
        self._messages = aiter(self._call)

    async def write(self, request: Q) -> None:
        """Sends one message. Raises the call's error if the server has ended it."""
        try:
            await self._call.write(request)
        except (asyncio.InvalidStateError, aio.AioRpcError):
            error = await self._ending()
        else:
            return
        raise error

    async def _ending(self) -> MnemonError:
        # A failed write reports INTERNAL whatever happened; the server's own status is a moment behind it.
        await asyncio.sleep(STATUS_SECONDS)
        try:
            await anext(self._messages, None)
        except grpc.RpcError as failure:
            return error_from(failure)
        return ConfigurationError("the stream has ended; nothing can be sent any more")

    async def finish(self) -> None:
        """Says that nothing more will be sent."""
        await self._call.done_writing()

    async def read(self) -> M | None:
        """The next message; None after the last, or once the stream was left."""
        try:
            return await anext(self._messages, None)
        except asyncio.CancelledError:
            if self._left.is_set():
                return None
            raise
        except grpc.RpcError as failure:
            error = error_from(failure)
        raise error

    def cancel(self) -> None:
        """Ends the call on both sides; does nothing if it has ended."""
        self._left.set()
        self._call.cancel()


async def each(items: Any) -> AsyncIterator[Any]:  # noqa: ANN401
    """The items of an iterable of either kind."""
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
