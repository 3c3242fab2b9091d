"""Calls over blocking `grpc`: channel, retries, streams. Its twin is `mnemon/_async/transport.py`.

A client may be used by several threads at once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import grpc

from mnemon._connection import Connection
from mnemon._errors import ConfigurationError, MnemonError
from mnemon._metadata import call_metadata
from mnemon._retry import RetryPolicy, Tries
from mnemon._status import error_from
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub

Q = TypeVar("Q")
M = TypeVar("M")


class Transport:
    """One channel and how calls go over it. The channel connects with the first call."""

    def __init__(self, connection: Connection, timeout: float, retry: RetryPolicy) -> None:
        self.connection = connection
        self.timeout = timeout
        self.retry = retry
        self._closed = threading.Event()
        options = list(connection.options)
        if connection.credentials is None:
            self._channel = grpc.insecure_channel(connection.target, options=options)
        else:
            self._channel = grpc.secure_channel(connection.target, connection.credentials, options=options)
        self._memory = MemoryServiceStub(self._channel)
        self._search = SearchServiceStub(self._channel)
        self._admin = AdminServiceStub(self._channel)

    @property
    def memory(self) -> MemoryServiceStub:
        """The stub of MemoryService."""
        self._open()
        return self._memory

    @property
    def search(self) -> SearchServiceStub:
        """The stub of SearchService."""
        self._open()
        return self._search

    @property
    def admin(self) -> AdminServiceStub:
        """The stub of AdminService."""
        self._open()
        return self._admin

    def _open(self) -> None:
        if self._closed.is_set():
            raise ConfigurationError("the client is closed")

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with the next call."""
        return call_metadata(self.connection.api_key)

    def unary(
        self,
        method: grpc.UnaryUnaryMultiCallable[Q, M],
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
                return method(request, timeout=tries.remaining(), metadata=self.metadata())
            except grpc.RpcError as failure:
                error = error_from(failure)
            self.pause(tries.next_delay(error))

    def upload(
        self,
        method: grpc.StreamUnaryMultiCallable[Q, M],
        requests: Callable[[], Iterator[Q]],
        timeout: float | None,
        *,
        repeatable: bool,
    ) -> M:
        """The answer to a stream of requests. `repeatable`: `requests` gives the same ones every time."""
        tries = Tries(self.retry, timeout, safe=repeatable)
        while True:
            sent = _Watched(requests())
            try:
                return method(sent, timeout=tries.remaining(), metadata=self.metadata())
            except grpc.RpcError as failure:
                error = error_from(failure)
            if sent.failure is not None:
                raise sent.failure
            self.pause(tries.next_delay(error))

    def pause(self, seconds: float) -> None:
        """Waits before another try, or until the client is closed."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """Closes the channel; calls that still run are cancelled."""
        self._closed.set()
        self._channel.close()


class _Watched(Generic[Q]):
    """An iterator that keeps the error it ended with: the transport would only say that there was one."""

    def __init__(self, items: Iterator[Q]) -> None:
        self._items = items
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[Q]:
        return self

    def __next__(self) -> Q:
        try:
            return next(self._items)
        except StopIteration:
            raise
        except Exception as error:
            self.failure = error
            raise


class Download(Generic[Q, M]):
    """The messages of one server stream. Until the first has come, a failed call is tried again."""

    def __init__(
        self,
        transport: Transport,
        method: grpc.UnaryStreamMultiCallable[Q, M],
        request: Q,
        timeout: float | None,
    ) -> None:
        self._transport = transport
        self._method = method
        self._request = request
        self._tries = Tries(transport.retry, timeout, safe=True)
        self._call: Any = None
        self._begun = False
        self._left = threading.Event()

    def start(self) -> None:
        """Sends the request, if it was not sent yet."""
        if self._call is None:
            self._call = self._method(
                self._request, timeout=self._tries.remaining(), metadata=self._transport.metadata()
            )

    def read(self) -> M | None:
        """The next message; None after the last, or once the stream was left."""
        while not self._left.is_set():
            self.start()
            try:
                message: M | None = next(self._call, None)
                self._begun = True
                return message
            except grpc.RpcError as failure:
                error = error_from(failure)
            if self._left.is_set():
                break
            if self._begun:
                raise error
            self._transport.pause(self._tries.next_delay(error))
            self._call = None
        return None

    def cancel(self) -> None:
        """Ends the call on both sides; does nothing if it has ended."""
        self._left.set()
        if self._call is not None:
            self._call.cancel()


class Dialogue(Generic[Q, M]):
    """A stream in both directions. One thread may write while another reads."""

    def __init__(
        self, transport: Transport, method: grpc.StreamStreamMultiCallable[Q, M], timeout: float | None
    ) -> None:
        self._left = threading.Event()
        self._ended = False
        self._requests: queue.SimpleQueue[Q | None] = queue.SimpleQueue()
        self._call: Any = method(
            iter(self._requests.get, None), timeout=timeout, metadata=transport.metadata()
        )

    def write(self, request: Q) -> None:
        """Sends one message. Raises the call's error if the server has ended it."""
        if self._ended or not self._call.is_active():
            raise self._ending()
        self._requests.put(request)

    def _ending(self) -> MnemonError:
        try:
            next(self._call, None)
        except grpc.RpcError as failure:
            return error_from(failure)
        return ConfigurationError("the stream has ended; nothing can be sent any more")

    def finish(self) -> None:
        """Says that nothing more will be sent."""
        self._requests.put(None)

    def read(self) -> M | None:
        """The next message; None after the last, or once the stream was left."""
        try:
            message: M | None = next(self._call, None)
        except grpc.RpcError as failure:
            error = error_from(failure)
        else:
            self._ended = message is None
            return message
        self.finish()
        if self._left.is_set():
            return None
        raise error

    def cancel(self) -> None:
        """Ends the call on both sides; does nothing if it has ended."""
        self._left.set()
        self._requests.put(None)
        self._call.cancel()


def each(items: Iterable[Any]) -> Iterator[Any]:
    """The items of an iterable."""
    yield from items
