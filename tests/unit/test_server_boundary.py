"""The boundary as callers meet it: errors, ids, deadlines, cancellation, sizes, roles, and how it ends."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mnemon.v1 import admin_service_pb2, memory_pb2, memory_service_pb2, search_service_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.model import errors
from mnemon_service.model.call import Call, Send
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import MnemonError, Reason, Unavailable, Violation
from mnemon_service.server.boundary import ENDLESS
from mnemon_service.server.errors import STATUS_CODES, as_mnemon_error, code_of, to_status
from mnemon_service.server.logs import configure_logs, describe
from mnemon_service.server.permissions import REQUIRED_ROLE, require_role
from support.boundary_server import BoundaryServer, Everybody, boundary_server, details

ID = "0192f0c1-0000-7000-8000-000000000001"
SECRET = "Ana's diary says 4711"
ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MnemonError)]
RPCS = {
    f"{service.name}/{rpc.name}"
    for file in (memory_service_pb2, search_service_pb2, admin_service_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for rpc in service.methods
}


class Servicer:
    """Answers as a test says."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.work: Callable[[], Awaitable[Any]] = self._memory
        self.stream: Callable[[Send[Any]], Awaitable[None]] | None = None

    async def _memory(self) -> pb.GetMemoryResponse:
        return pb.GetMemoryResponse(memory=memory_pb2.Memory(id=ID))

    async def GetMemory(self, request: pb.GetMemoryRequest, call: Call) -> Any:  # noqa: N802
        self.calls.append(call)
        return await self.work()

    async def AddMemories(self, request: pb.AddMemoriesRequest, call: Call) -> Any:  # noqa: N802
        return pb.AddMemoriesResponse()

    async def WatchMemories(  # noqa: N802
        self, request: pb.WatchMemoriesRequest, call: Call, send: Send[pb.WatchMemoriesResponse]
    ) -> None:
        assert self.stream is not None
        await self.stream(send)

    async def ExportMemories(  # noqa: N802
        self, request: pb.ExportMemoriesRequest, call: Call, send: Send[pb.ExportMemoriesResponse]
    ) -> None:
        assert self.stream is not None
        await self.stream(send)

    async def ImportMemories(  # noqa: N802
        self, requests: AsyncIterator[pb.ImportMemoriesRequest], call: Call
    ) -> pb.ImportMemoriesResponse:
        return pb.ImportMemoriesResponse(operation_id=str(len([one async for one in requests])))


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def server(servicer: Servicer) -> AsyncIterator[BoundaryServer]:
    async with boundary_server(servicer, maximum_message_bytes=100_000) as running:
        yield running


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    lines: Any
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        yield lines


async def get(server: BoundaryServer, **options: Any) -> Any:
    return await server.stub.GetMemory(pb.GetMemoryRequest(id=ID), **options)


async def failure(work: Awaitable[Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await work
    return raised.value


def raising(error: BaseException) -> Callable[[], Awaitable[Any]]:
    async def work() -> None:
        raise error

    return work


def test_every_error_of_the_domain_has_a_code() -> None:
    assert set(STATUS_CODES) == set(ERRORS) - {MnemonError}
    assert {code_of(kind("x")) for kind in STATUS_CODES} == set(STATUS_CODES.values())


def test_a_special_error_has_the_code_of_its_class() -> None:
    class Away(Unavailable):
        pass

    assert code_of(Away("x")) == code_pb2.UNAVAILABLE


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind is not MnemonError])
async def test_an_error_arrives_with_code_message_reason_and_request_id(
    server: BoundaryServer, servicer: Servicer, kind: type[MnemonError]
) -> None:
    error = kind("in plain words", metadata={"etag": "7"}, retry_after=1.5)
    servicer.work = raising(error)
    failed = await failure(get(server, metadata=(("x-request-id", "r-1"),)))
    assert (failed.code().value[0], failed.details()) == (STATUS_CODES[kind], "in plain words")
    told = details(failed)
    assert (told.reason, told.info.domain, told.retry_seconds) == (error.reason, "mnemon", 1.5)
    assert dict(told.info.metadata) == {"etag": "7", "request_id": "r-1"}
    assert [(ended.code, ended.reason) for ended in server.ended.calls] == [
        (code_pb2.Code.Name(STATUS_CODES[kind]), error.reason)
    ]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_can_be_sent(reason: Reason) -> None:
    status = to_status(Unavailable("x", reason=reason), "r")
    assert reason.value.encode() in dict(status.trailing_metadata)["grpc-status-details-bin"]


def test_an_error_of_no_class_is_internal() -> None:
    assert code_of(MnemonError("x")) == code_pb2.INTERNAL


async def test_every_wrong_field_is_listed(server: BoundaryServer, servicer: Servicer) -> None:
    violations = (Violation("a", "is wrong"), Violation("b[2]", "too"))
    servicer.work = raising(errors.InvalidArgument("x", violations=violations))
    assert details(await failure(get(server))).fields == ("a", "b[2]")


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        AssertionError(SECRET),
        OSError(SECRET),
        StopAsyncIteration(SECRET),
    ],
)
async def test_an_unforeseen_exception_says_nothing_of_itself(
    server: BoundaryServer, servicer: Servicer, error: Exception, logged: list[dict[str, Any]]
) -> None:
    servicer.work = raising(error)
    failed = await failure(get(server))
    assert failed.code() is grpc.StatusCode.INTERNAL
    told = repr(failed) + repr(failed.trailing_metadata()) + str(failed.debug_error_string())
    assert SECRET not in told
    assert type(error).__name__ not in told
    assert "Traceback" not in told
    assert details(failed).reason == "INTERNAL"
    (described,) = [line for line in logged if line["event"] == "call failed"]
    assert described["exception"].endswith(type(error).__name__)
    assert described["request_id"] == details(failed).info.metadata["request_id"]
    assert any("raise error" in frame or "work" in frame for frame in described["frames"])
    assert SECRET not in json.dumps(logged, default=str)


async def test_a_time_that_ran_out_inside_is_the_callers_deadline(
    server: BoundaryServer, servicer: Servicer
) -> None:
    servicer.work = raising(TimeoutError())
    failed = await failure(get(server))
    assert (failed.code(), details(failed).reason) == (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
    )


def test_what_is_no_error_of_the_domain_becomes_internal_or_deadline() -> None:
    assert as_mnemon_error(TimeoutError()).reason is Reason.DEADLINE_EXCEEDED
    assert as_mnemon_error(RuntimeError("x")).reason is Reason.INTERNAL
    assert SECRET not in as_mnemon_error(RuntimeError(SECRET)).message


def test_an_error_of_one_of_several_tasks_is_that_error() -> None:
    away = Unavailable("the index is away", reason=Reason.INDEX_UNAVAILABLE)
    assert as_mnemon_error(ExceptionGroup("tasks", [ExceptionGroup("inner", [away])])) is away
    assert as_mnemon_error(ExceptionGroup("tasks", [ValueError(SECRET)])).reason is Reason.INTERNAL


async def request_id_of(server: BoundaryServer, *sent: str) -> Any:
    call = server.stub.GetMemory(pb.GetMemoryRequest(id=ID), metadata=[("x-request-id", one) for one in sent])
    await call
    return dict(await call.initial_metadata())["x-request-id"]


async def test_the_callers_request_id_comes_back_and_names_the_call(
    server: BoundaryServer, servicer: Servicer
) -> None:
    assert await request_id_of(server, "a.B:c-9_") == "a.B:c-9_"
    assert [call.request_id for call in servicer.calls] == ["a.B:c-9_"]


@pytest.mark.parametrize("sent", ["", "has space", 'quote"', "x" * 129])
async def test_a_request_id_that_is_no_plain_word_is_replaced(server: BoundaryServer, sent: str) -> None:
    assert len(await request_id_of(server, sent)) == 36
    assert await request_id_of(server) != await request_id_of(server)


async def test_a_deadline_stops_the_work_and_is_told_from_a_cancellation(
    server: BoundaryServer, servicer: Servicer
) -> None:
    stopped = asyncio.Event()
    servicer.work = holding(asyncio.Event(), stopped)
    failed = await failure(get(server, timeout=0.1))
    assert failed.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(stopped.wait(), 5)
    assert await ended_code(server) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


def holding(begun: asyncio.Event, stopped: asyncio.Event) -> Callable[[], Awaitable[Any]]:
    """Work that goes on until it is cancelled."""

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    return work


async def ended_code(server: BoundaryServer) -> tuple[str, str]:
    """Code and reason of the one call that ended."""
    await asyncio.wait_for(server.ended.one.wait(), 5)
    (ended,) = server.ended.calls
    return ended.code, ended.reason


async def test_a_caller_that_goes_away_stops_the_work(server: BoundaryServer, servicer: Servicer) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()
    servicer.work = holding(begun, stopped)
    call = server.stub.GetMemory(pb.GetMemoryRequest(id=ID))
    started = asyncio.ensure_future(call.code())
    await asyncio.wait_for(begun.wait(), 5)
    call.cancel()
    await asyncio.wait_for(stopped.wait(), 5)
    assert await started is grpc.StatusCode.CANCELLED
    assert await ended_code(server) == ("CANCELLED", "CANCELLED")


@pytest.mark.parametrize("between_messages", [True, False])
async def test_a_reader_that_goes_away_stops_the_stream(
    server: BoundaryServer, servicer: Servicer, between_messages: bool
) -> None:
    stopped = asyncio.Event()

    async def stream(send: Send[Any]) -> None:
        try:
            await send(pb.WatchMemoriesResponse(sequence=1))
            while not between_messages:
                await send(pb.WatchMemoriesResponse(resume_token="x" * 50_000))
            await asyncio.Event().wait()
        finally:
            stopped.set()

    servicer.stream = stream
    call = server.stub.WatchMemories(pb.WatchMemoriesRequest())
    first: Any = await call.read()
    assert first.sequence == 1
    call.cancel()
    await asyncio.wait_for(stopped.wait(), 5)
    assert await ended_code(server) == ("CANCELLED", "CANCELLED")


async def test_an_error_in_a_stream_arrives_after_what_was_sent(
    server: BoundaryServer, servicer: Servicer
) -> None:
    async def stream(send: Send[Any]) -> None:
        await send(pb.ExportMemoriesResponse(sequence=1))
        raise errors.OutOfRange("the log ends before")

    servicer.stream = stream
    call = server.stub.ExportMemories(pb.ExportMemoriesRequest(project_wide=True))
    first: Any = await call.read()
    assert first.sequence == 1
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert details(raised.value).reason == "HISTORY_ERASED"


async def test_a_stream_of_requests_is_checked_message_by_message(server: BoundaryServer) -> None:
    good = pb.ImportMemoriesRequest(options=pb.ImportOptions(request_id="r"))
    answered: Any = await server.stub.ImportMemories(iter([good, good]))
    assert answered.operation_id == "2"
    failed = await failure(server.stub.ImportMemories(iter([good, pb.ImportMemoriesRequest()])))
    assert details(failed).fields == ("content",)


async def test_a_request_that_is_too_large_is_refused_with_its_reason(server: BoundaryServer) -> None:
    texts = ["x" * 30_000] * 4
    failed = await failure(server.stub.AddMemories(pb.AddMemoriesRequest(texts=texts)))
    assert (failed.code(), details(failed).reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "MESSAGE_TOO_LARGE",
    )
    huge = await failure(server.stub.AddMemories(pb.AddMemoriesRequest(texts=texts * 3)))
    assert huge.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_answer_that_is_too_large_is_refused_with_its_reason(
    server: BoundaryServer, servicer: Servicer
) -> None:
    async def large() -> pb.GetMemoryResponse:
        return pb.GetMemoryResponse(memory=memory_pb2.Memory(text="x" * 100_000))

    async def stream(send: Send[Any]) -> None:
        await send(await large())

    servicer.work, servicer.stream = large, stream
    assert details(await failure(get(server))).reason == "MESSAGE_TOO_LARGE"
    watched = server.stub.WatchMemories(pb.WatchMemoriesRequest())
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watched.read()
    assert details(raised.value).reason == "MESSAGE_TOO_LARGE"


async def test_an_rpc_that_the_servicer_lacks_is_unimplemented(server: BoundaryServer) -> None:
    failed = await failure(server.stub.DeleteMemory(pb.DeleteMemoryRequest(id=ID)))
    assert (failed.code(), details(failed).reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")
    assert "DeleteMemory" in (failed.details() or "")


def test_every_rpc_of_the_contract_asks_for_a_role() -> None:
    assert set(REQUIRED_ROLE) == RPCS
    assert ENDLESS <= RPCS


@pytest.mark.parametrize(("method", "required"), REQUIRED_ROLE.items())
def test_a_role_may_do_what_smaller_ones_may(method: str, required: KeyRole) -> None:
    for role in KeyRole:
        caller = Caller("p", role)
        if role >= required:
            require_role(caller, method)
        else:
            with pytest.raises(errors.PermissionDenied) as refused:
                require_role(caller, method)
            assert refused.value.metadata == {"required_role": required.name}


async def test_a_reader_may_not_write_and_no_work_is_done(servicer: Servicer) -> None:
    async with boundary_server(servicer, authenticator=Everybody(KeyRole.READER)) as server:
        failed = await failure(server.stub.AddMemories(pb.AddMemoriesRequest(texts=["a"])))
        assert (failed.code(), details(failed).reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "ROLE_REQUIRED",
        )


async def health_of(server: BoundaryServer) -> Any:
    stub = health_pb2_grpc.HealthStub(server.channel)
    request = health_pb2.HealthCheckRequest(service="mnemon.v1.MemoryService")
    return (await stub.Check(request)).status


async def test_a_server_that_drains_refuses_new_calls_and_ends_the_running_ones(
    server: BoundaryServer, servicer: Servicer
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> pb.GetMemoryResponse:
        begun.set()
        await go_on.wait()
        return pb.GetMemoryResponse(memory=memory_pb2.Memory(id="done"))

    servicer.work = work
    running = asyncio.ensure_future(get(server))
    await begun.wait()
    assert await health_of(server) == health_pb2.HealthCheckResponse.SERVING
    server.boundary.drain()
    failed = await failure(get(server))
    told = details(failed)
    assert (failed.code(), told.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert told.retry_seconds is not None
    stopping = asyncio.ensure_future(server.runtime.stop(10))
    go_on.set()
    assert (await running).memory.id == "done"
    await asyncio.wait_for(stopping, 5)


async def test_streams_that_never_end_do_not_hold_up_a_server_that_stops(
    server: BoundaryServer, servicer: Servicer
) -> None:
    async def stream(send: Send[Any]) -> None:
        await send(pb.WatchMemoriesResponse(sequence=1))
        await asyncio.Event().wait()

    servicer.stream = stream
    watching = server.stub.WatchMemories(pb.WatchMemoriesRequest())
    await watching.read()
    await asyncio.wait_for(server.runtime.stop(60), 5)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watching.read()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details(raised.value).reason == "SHUTTING_DOWN"


async def test_what_a_stream_still_does_after_the_time_to_drain_is_cut(
    server: BoundaryServer, servicer: Servicer
) -> None:
    stopped = asyncio.Event()

    async def stream(send: Send[Any]) -> None:
        await send(pb.ExportMemoriesResponse(sequence=1))
        await holding(asyncio.Event(), stopped)()

    servicer.stream = stream
    exporting = server.stub.ExportMemories(pb.ExportMemoriesRequest(project_wide=True))
    await exporting.read()
    await asyncio.wait_for(server.runtime.stop(0.05), 5)
    assert stopped.is_set()


async def test_a_stream_whose_reader_takes_nothing_for_too_long_is_cut(servicer: Servicer) -> None:
    async def stream(send: Send[Any]) -> None:
        while True:
            await send(pb.ExportMemoriesResponse(resume_token="t" * 60_000))

    servicer.stream = stream
    async with boundary_server(servicer, slow_seconds=0.2) as server:
        exporting = server.stub.ExportMemories(pb.ExportMemoriesRequest(project_wide=True))
        await exporting.read()
        await asyncio.wait_for(server.ended.one.wait(), 5)
        (ended,) = server.ended.calls
        assert (ended.code, ended.reason) == ("RESOURCE_EXHAUSTED", "WATCHER_TOO_SLOW")
        assert ended.milliseconds > 200


async def test_a_quiet_stream_is_not_a_slow_one(servicer: Servicer) -> None:
    async def stream(send: Send[Any]) -> None:
        await send(pb.ExportMemoriesResponse(sequence=1))
        await asyncio.sleep(0.6)  # longer than a reader may be slow

    servicer.stream = stream
    async with boundary_server(servicer, slow_seconds=0.2) as server:
        exporting = server.stub.ExportMemories(pb.ExportMemoriesRequest(project_wide=True))
        assert [one.sequence async for one in exporting] == [1]


async def test_the_call_line_names_method_code_and_request_and_no_content(
    server: BoundaryServer, logged: list[dict[str, Any]]
) -> None:
    await server.stub.AddMemories(pb.AddMemoriesRequest(texts=[SECRET]))
    (line,) = [line for line in logged if line["event"] == "call"]
    assert (line["method"], line["code"]) == ("MemoryService/AddMemories", "OK")
    assert line["request_id"] == server.ended.calls[0].request_id
    assert SECRET not in json.dumps(logged, default=str)


def test_an_exception_is_described_by_type_and_frames_without_its_message() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        described = describe(error)
    assert described["exception"] == "builtins.ValueError"
    assert "test_server_boundary.py" in str(described["frames"])
    assert SECRET not in str(described)


def test_lines_are_json_with_trace_ids_and_libraries_cannot_say_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from opentelemetry import trace

    root = logging.getLogger()
    kept = root.handlers[:], root.level, structlog.get_config()
    try:
        lines = configure_logs("info", "json")
        context = trace.SpanContext(0xABC, 0xDEF, is_remote=False)
        with trace.use_span(trace.NonRecordingSpan(context)):
            structlog.get_logger("x").info("hello", answer=42)
            try:
                raise ValueError(SECRET)
            except ValueError:
                logging.getLogger("asyncio").exception("a task failed")
            logging.getLogger("pymilvus").error(SECRET)
        assert lines.drain(10.0)
        printed = capsys.readouterr().err
    finally:
        root.handlers[:], level, config = kept
        root.setLevel(level)
        structlog.configure(**config)
    own, foreign = (json.loads(line) for line in printed.splitlines())
    assert (own["event"], own["answer"], own["level"]) == ("hello", 42, "info")
    assert own["trace_id"] == foreign["trace_id"] == f"{0xABC:032x}"
    assert own["span_id"] == f"{0xDEF:016x}"
    assert own["timestamp"].endswith("Z")
    assert foreign["exception"] == "builtins.ValueError"
    assert SECRET not in printed
