"""The boundary: what every call passes on its way in and out.

In: request id, span, caller, role, limits, decoding, the contract's rules. Out: the domain's errors as
statuses, metrics, the request log. Servicers see messages and a `Call`; they know nothing of gRPC.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2
from opentelemetry.trace import Span

from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller
from mnemon_service.model.errors import Internal, MnemonError, Unavailable
from mnemon_service.model.errors import Reason as ErrorReason
from mnemon_service.model.ids import new_id
from mnemon_service.server import errors, telemetry
from mnemon_service.server.admission import Admission
from mnemon_service.server.authentication import Authenticator, Metadata
from mnemon_service.server.logs import describe
from mnemon_service.server.permissions import require_role
from mnemon_service.server.validation import RequestValidator, undecodable

REQUEST_ID_KEY: Final = "x-request-id"
"""Metadata key of the call's id: taken from the caller if it is a plain word, sent back in any case."""
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")

ServicerContext = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger("mnemon.calls")


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC as the contract describes it."""

    path: str
    """As `MemoryService/AddMemories`."""
    request_type: type[Message]
    client_streaming: bool
    server_streaming: bool


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that is over, without its content."""

    request_id: str
    method: str
    code: str
    reason: str
    caller: Caller | None
    milliseconds: float
    start_time: float
    """Seconds since the epoch."""


class CallObserver(Protocol):
    """Hears of every call that ended."""

    def call_ended(self, ended: EndedCall) -> None:
        """Must return at once: it is called on the event loop."""
        ...


class Boundary:
    """Wraps the servicers' methods."""

    def __init__(
        self,
        authenticator: Authenticator,
        admission: Admission,
        observers: tuple[CallObserver, ...] = (),
    ) -> None:
        self._authenticator = authenticator
        self._admission = admission
        self._observers = observers
        self._validator = RequestValidator()
        self._draining = False

    def drain(self) -> None:
        """From now on new calls get `Unavailable` (SHUTTING_DOWN)."""
        self._draining = True

    def unary(
        self, method: Method, implementation: Callable[..., Awaitable[Message]]
    ) -> Callable[[Any, ServicerContext], Awaitable[Message]]:
        """The handler of an RPC that answers once; its request may be a stream."""

        async def handle(incoming: Any, context: ServicerContext) -> Message:  # noqa: ANN401 (bytes or an iterator)
            async def work(call: Call) -> Message:
                if method.client_streaming:
                    return await implementation(self._requests(method, incoming), call)
                return await implementation(self._request(method, incoming), call)

            response: Message = await self._guarded(method, context, work)
            return response

        return handle

    def streaming(
        self, method: Method, implementation: Callable[..., Awaitable[None]]
    ) -> Callable[[Any, ServicerContext], Awaitable[None]]:
        """The handler of an RPC that answers with a stream.

        It is a coroutine that writes, not a generator: a generator that nobody exhausts is only closed
        when the collector comes by, and its work goes on until then.
        """

        async def handle(incoming: Any, context: ServicerContext) -> None:  # noqa: ANN401 (bytes or an iterator)
            async def work(call: Call) -> None:
                if method.client_streaming:
                    await implementation(self._requests(method, incoming), call, context.write)
                else:
                    await implementation(self._request(method, incoming), call, context.write)

            await self._guarded(method, context, work)

        return handle

    def _request(self, method: Method, raw: bytes) -> Message:
        self._validator.check(method.request_type.DESCRIPTOR.full_name, raw)
        try:
            return method.request_type.FromString(raw)
        except DecodeError:
            raise undecodable(method.request_type.DESCRIPTOR.full_name) from None

    async def _requests(self, method: Method, incoming: AsyncIterator[bytes]) -> AsyncIterator[Message]:
        async for raw in incoming:
            yield self._request(method, raw)

    async def _guarded(
        self, method: Method, context: ServicerContext, work: Callable[[Call], Awaitable[Any]]
    ) -> Any:  # noqa: ANN401 (the RPC's own response)
        metadata: Metadata = tuple(context.invocation_metadata() or ())
        outcome = _Outcome(method.path, _request_id(metadata))
        with (
            structlog.contextvars.bound_contextvars(request_id=outcome.request_id, method=method.path),
            telemetry.server_span(method.path, metadata) as span,
        ):
            try:
                await context.send_initial_metadata(((REQUEST_ID_KEY, outcome.request_id),))
                call = await self._call(method, context, metadata, outcome)
                streaming = method.client_streaming or method.server_streaming
                async with self._admission.admitted(call, streaming=streaming):
                    return await work(call)
            except asyncio.CancelledError:
                outcome.cancelled()
                raise
            except Exception as exception:
                await self._refuse(context, outcome, exception)
            finally:
                self._ended(span, outcome)

    async def _call(
        self, method: Method, context: ServicerContext, metadata: Metadata, outcome: _Outcome
    ) -> Call:
        if self._draining:
            raise Unavailable(
                "the server is shutting down", reason=ErrorReason.SHUTTING_DOWN, retry_after=1.0
            )
        caller = await self._authenticator.authenticate(metadata, _peer_identities(context))
        outcome.caller = caller
        require_role(caller, method.path)
        return Call(method.path, caller, outcome.request_id, context.time_remaining())

    async def _refuse(self, context: ServicerContext, outcome: _Outcome, exception: Exception) -> NoReturn:
        error = errors.as_mnemon_error(exception)
        outcome.failed(error)
        if isinstance(error, Internal):
            _log.error("call failed", **describe(exception))
        await context.abort_with_status(errors.to_status(error, outcome.request_id))
        raise AssertionError("abort_with_status raises")

    def _ended(self, span: Span, outcome: _Outcome) -> None:
        ended = outcome.ended()
        telemetry.call_ended(span, ended.method, ended.code, outcome.code_number, ended.milliseconds)
        _log.info(
            "call", code=ended.code, reason=ended.reason or None, milliseconds=round(ended.milliseconds, 2)
        )
        for observer in self._observers:
            observer.call_ended(ended)


class _Outcome:
    """How a call goes: begun OK, until something says otherwise."""

    def __init__(self, method: str, request_id: str) -> None:
        self.request_id = request_id
        self.caller: Caller | None = None
        self.code_number = code_pb2.OK
        self._method = method
        self._code = "OK"
        self._reason = ""
        self._start_time = time.time()
        self._begun = time.perf_counter()

    def failed(self, error: MnemonError) -> None:
        self.code_number = errors.code_of(error)
        self._code = errors.code_name(error)
        self._reason = error.reason.value

    def cancelled(self) -> None:
        self.code_number, self._code = code_pb2.CANCELLED, "CANCELLED"
        self._reason = ErrorReason.CANCELLED.value

    def ended(self) -> EndedCall:
        return EndedCall(
            request_id=self.request_id,
            method=self._method,
            code=self._code,
            reason=self._reason,
            caller=self.caller,
            milliseconds=(time.perf_counter() - self._begun) * 1000,
            start_time=self._start_time,
        )


def _request_id(metadata: Metadata) -> str:
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str) and _PLAIN_ID.fullmatch(value):
            return value
    return new_id()


def _peer_identities(context: ServicerContext) -> tuple[str, ...]:
    identities = context.peer_identities()
    return tuple(identity.decode("utf-8", "replace") for identity in identities or ())
