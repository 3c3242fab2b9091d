"""The boundary: what every call passes on its way in and out.

In: request id, span, caller, role, limits, decoding, the contract's rules. Out: encoding, the domain's
errors as statuses, metrics, the request log. Servicers see messages and a `Call`; they know nothing of gRPC.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2
from opentelemetry.trace import Span

from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller
from mnemon_service.model.errors import (
    DeadlineExceeded,
    Internal,
    MnemonError,
    ResourceExhausted,
    Unavailable,
)
from mnemon_service.model.errors import Reason as ErrorReason
from mnemon_service.model.ids import new_id
from mnemon_service.server import errors, telemetry
from mnemon_service.server.admission import Admission
from mnemon_service.server.authentication import Authenticator, Metadata
from mnemon_service.server.call_owners import owner_of
from mnemon_service.server.logs import describe
from mnemon_service.server.open_calls import SLOW_SECONDS, OpenCall, OpenCalls
from mnemon_service.server.permissions import require_role
from mnemon_service.server.validation import RequestValidator, undecodable

REQUEST_ID_KEY: Final = "x-request-id"
"""Metadata key of the call's id: taken from the caller if it is a plain word, sent back in any case."""
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ENDLESS: Final = frozenset({"MemoryService/WatchMemories", "SearchService/LiveSearch"})
"""Streams that end only when one side goes: the server's going does not wait for them."""
WAITING: Final = frozenset({"AdminService/WaitOperation"})
"""Unary calls that are held open like streams, and counted as such."""

ServicerContext = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger("mnemon.calls")

MAXIMUM_MESSAGE_BYTES: Final = 16 * 1_048_576
"""Unless the server is set up otherwise."""


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
    owner: str = ""
    """Whose memories it was about (`Scope.owner`); empty if it named nobody."""


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
        *,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        """`slow_seconds`: how long a message of a stream may wait for its reader."""
        self._authenticator = authenticator
        self._admission = admission
        self._observers = observers
        self._validator = RequestValidator()
        self._draining = False
        self._running: set[asyncio.Task[Any]] = set()
        self._open = OpenCalls(authenticator.confirm, slow_seconds)
        self.maximum_message_bytes = MAXIMUM_MESSAGE_BYTES
        """A larger request or answer is refused with MESSAGE_TOO_LARGE."""

    def drain(self) -> None:
        """From now on new calls, and the streams that would never end, get `Unavailable` (SHUTTING_DOWN)."""
        self._draining = True
        self._open.cut(ENDLESS, shutting_down())

    async def settle(self, seconds: float) -> None:
        """Waits until every call has ended, what it does at its end included, or so long.

        gRPC cancels calls and does not wait for them (from Python 3.12 on not even for their first step).
        """
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def unary(
        self, method: Method, implementation: Callable[..., Awaitable[Message]]
    ) -> Callable[[Any, ServicerContext], Awaitable[bytes]]:
        """The handler of an RPC that answers once; its request may be a stream."""

        async def handle(incoming: Any, context: ServicerContext) -> bytes:  # noqa: ANN401 (bytes or an iterator)
            async def work(call: Call, _: OpenCall | None) -> bytes:
                if method.client_streaming:
                    return self._encoded(await implementation(self._requests(method, incoming, call), call))
                return self._encoded(await implementation(self._request(method, incoming, call), call))

            response: bytes = await self._guarded(method, context, work)
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
            async def work(call: Call, held: OpenCall | None) -> None:
                async def send(message: Message) -> None:
                    written = context.write(self._encoded(message))
                    await (written if held is None else held.write(written))

                if method.client_streaming:
                    await implementation(self._requests(method, incoming, call), call, send)
                else:
                    await implementation(self._request(method, incoming, call), call, send)

            await self._guarded(method, context, work)

        return handle

    def _encoded(self, message: Message) -> bytes:
        raw = message.SerializeToString()
        self._check_size(raw, "the answer", "ask for less")
        return raw

    def _check_size(self, raw: bytes, what: str, advice: str) -> None:
        if len(raw) > self.maximum_message_bytes:
            raise ResourceExhausted(
                f"{what} has {len(raw):,} bytes, more than {self.maximum_message_bytes:,}: {advice}",
                reason=ErrorReason.MESSAGE_TOO_LARGE,
            )

    def _request(self, method: Method, raw: bytes, call: Call) -> Message:
        self._check_size(raw, "the request", "send it in pieces")
        self._validator.check(method.request_type.DESCRIPTOR.full_name, raw)
        try:
            message = method.request_type.FromString(raw)
        except DecodeError:
            raise undecodable(method.request_type.DESCRIPTOR.full_name) from None
        if not call.owner:
            call.owner = owner_of(message, call.caller)
        return message

    async def _requests(
        self, method: Method, incoming: AsyncIterator[bytes], call: Call
    ) -> AsyncIterator[Message]:
        async for raw in incoming:
            yield self._request(method, raw, call)

    async def _guarded(
        self,
        method: Method,
        context: ServicerContext,
        work: Callable[[Call, OpenCall | None], Awaitable[Any]],
    ) -> Any:  # noqa: ANN401 (the RPC's own response)
        self._note_running()
        metadata: Metadata = tuple(context.invocation_metadata() or ())
        outcome = _Outcome(method.path, _request_id(metadata))
        with (
            structlog.contextvars.bound_contextvars(request_id=outcome.request_id, method=method.path),
            telemetry.server_span(method.path, metadata) as span,
        ):
            greeting = _greeting(context, outcome.request_id)
            try:
                if method.server_streaming:
                    await greeting  # before the first message
                call = await self._call(method, context, metadata, outcome)
                streaming = method.client_streaming or method.server_streaming
                async with self._admission.admitted(call, streaming=streaming):
                    with self._held_open(method, call) as held:
                        response = await work(call, held)
                await greeting
                return response
            except asyncio.CancelledError:
                outcome.cut_off(past_deadline=context.time_remaining() == 0)
                raise
            except Exception as exception:
                refused = self._refusal(outcome, exception)
            finally:
                self._ended(span, outcome)
            await asyncio.wait((greeting,))
            # After the end: the status waits behind what a slow reader has not taken yet.
            await context.abort_with_status(refused)
            raise AssertionError("abort_with_status raises")

    def _note_running(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _held_open(self, method: Method, call: Call) -> AbstractContextManager[OpenCall | None]:
        """Lets a call that lasts be cut: by `drain`, or when its caller may not call or does not read."""
        if method.client_streaming or method.server_streaming or method.path in WAITING:
            return self._open.held(method.path, call.caller)
        return nullcontext()

    async def _call(
        self, method: Method, context: ServicerContext, metadata: Metadata, outcome: _Outcome
    ) -> Call:
        if self._draining:
            raise shutting_down()
        caller = await self._authenticator.authenticate(metadata, _peer_identities(context))
        outcome.caller = caller
        require_role(caller, method.path)
        outcome.call = Call(method.path, caller, outcome.request_id, context.time_remaining())
        return outcome.call

    def _refusal(self, outcome: _Outcome, exception: Exception) -> grpc.Status:
        error = errors.as_mnemon_error(exception)
        outcome.failed(error)
        if isinstance(error, Internal):
            _log.error("call failed", **describe(exception))
        return errors.to_status(error, outcome.request_id)

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
        self.call: Call | None = None
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

    def cut_off(self, *, past_deadline: bool) -> None:
        """gRPC ended the call: its deadline passed, the caller went away, or the server stops."""
        if past_deadline:
            self.failed(DeadlineExceeded("the time for this call is used up"))
            return
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
            owner="" if self.call is None else self.call.owner,
        )


def shutting_down() -> Unavailable:
    """The error of calls that come too late."""
    return Unavailable("the server is shutting down", reason=ErrorReason.SHUTTING_DOWN, retry_after=1.0)


def _greeting(context: ServicerContext, request_id: str) -> asyncio.Task[None]:
    """Sends the metadata that comes before an answer, while the call is worked on: to wait for it first
    costs every call two changes of threads. Wait for it before anything else is sent."""
    sending = asyncio.ensure_future(context.send_initial_metadata(((REQUEST_ID_KEY, request_id),)))
    # A caller who is cut off waits for nothing; what went wrong with it is of no interest then.
    sending.add_done_callback(lambda task: task.cancelled() or task.exception())
    return sending


def _request_id(metadata: Metadata) -> str:
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str) and _PLAIN_ID.fullmatch(value):
            return value
    return new_id()


def _peer_identities(context: ServicerContext) -> tuple[str, ...]:
    identities = context.peer_identities()
    return tuple(identity.decode("utf-8", "replace") for identity in identities or ())
