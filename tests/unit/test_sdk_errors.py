"""What goes wrong reaches users as typed errors with their details, and is tried again where that helps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

import mnemon
from mnemon import AsyncClient, Client, RetryPolicy, _errors
from mnemon.v1 import admin_service_pb2, memory_service_pb2
from support.scripted_server import ScriptedServer, fail, in_turn

ID = "01890000-0000-7000-8000-000000000000"
GET, ADD, KEY = "MemoryService/GetMemory", "MemoryService/AddMemories", "AdminService/CreateApiKey"
QUICK = RetryPolicy(first_delay=0.001, largest_delay=0.002)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.address, "", retry=QUICK, timeout=10) as made:
        yield made


def failing(code: str, reason: str = "", **details: Any) -> Any:
    return lambda request, context: fail(context, code, reason, **details)


def added(request: Any, context: grpc.ServicerContext) -> memory_service_pb2.AddMemoriesResponse:
    return memory_service_pb2.AddMemoriesResponse(sequence=7)


TABLE = {
    ("INVALID_ARGUMENT", "SCOPE_REQUIRED"): mnemon.InvalidArgumentError,
    ("NOT_FOUND", "MEMORY_NOT_FOUND"): mnemon.NotFoundError,
    ("ALREADY_EXISTS", "ALREADY_EXISTS"): mnemon.AlreadyExistsError,
    ("ALREADY_EXISTS", "REQUEST_ID_REUSED"): mnemon.RequestIdReusedError,
    ("ABORTED", "CONCURRENT_CHANGE"): mnemon.AbortedError,
    ("ABORTED", "ETAG_MISMATCH"): mnemon.EtagMismatchError,
    ("FAILED_PRECONDITION", "MEMORY_NOT_DELETED"): mnemon.FailedPreconditionError,
    ("FAILED_PRECONDITION", "PROVIDER_CREDENTIALS"): mnemon.ProviderSetupError,
    ("OUT_OF_RANGE", "HISTORY_ERASED"): mnemon.OutOfRangeError,
    ("UNAUTHENTICATED", "API_KEY_EXPIRED"): mnemon.UnauthenticatedError,
    ("PERMISSION_DENIED", "ROLE_REQUIRED"): mnemon.PermissionDeniedError,
    ("RESOURCE_EXHAUSTED", "QUEUE_FULL"): mnemon.ResourceExhaustedError,
    ("RESOURCE_EXHAUSTED", "RATE_LIMITED"): mnemon.RateLimitedError,
    ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"): mnemon.QuotaExceededError,
    ("UNAVAILABLE", "INDEX_UNAVAILABLE"): mnemon.UnavailableError,
    ("UNAVAILABLE", "PROVIDER_UNAVAILABLE"): mnemon.ProviderUnavailableError,
    ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): mnemon.DeadlineExceededError,
    ("CANCELLED", "CANCELLED"): mnemon.CallCancelledError,
    ("UNIMPLEMENTED", "NOT_IMPLEMENTED"): mnemon.UnimplementedError,
    ("INTERNAL", "INTERNAL"): mnemon.InternalError,
    ("DATA_LOSS", ""): mnemon.InternalError,
}


@pytest.mark.parametrize(("code", "reason"), TABLE)
def test_each_status_has_its_class(server: ScriptedServer, client: Client, code: str, reason: str) -> None:
    server.scripts[GET] = failing(code, reason, message="in words")
    with pytest.raises(mnemon.MnemonError, match="in words") as caught:
        client.get(ID)
    assert type(caught.value) is TABLE[code, reason]
    assert (caught.value.code, caught.value.reason) == (code, reason)
    assert caught.value.__context__ is None, "the transport's error must not show"


def test_the_documented_table_names_every_class() -> None:
    documented = _errors.__doc__ or ""
    classes = [c for c in vars(_errors).values() if isinstance(c, type) and issubclass(c, mnemon.MnemonError)]
    assert all(c.__name__ in documented for c in classes)
    assert all(reason in documented for _, reason in _errors.BY_REASON)


def test_details_are_typed(server: ScriptedServer, client: Client) -> None:
    server.scripts[GET] = failing(
        "INVALID_ARGUMENT",
        "INVALID_FIELD",
        violations={"top_k": "at most 200", "query": "not empty"},
        metadata={"request_id": "r1"},
    )
    with pytest.raises(mnemon.InvalidArgumentError) as caught:
        client.get(ID)
    assert [v.field for v in caught.value.violations] == ["top_k", "query"]
    assert caught.value.violations[0].description == "at most 200"
    assert caught.value.metadata == {"request_id": "r1"}
    assert caught.value.retry_after is None


def test_an_etag_mismatch_tells_the_current_etag(server: ScriptedServer, client: Client) -> None:
    server.scripts["MemoryService/DeleteMemory"] = failing(
        "ABORTED", "ETAG_MISMATCH", metadata={"etag": "now"}
    )
    with pytest.raises(mnemon.EtagMismatchError) as caught:
        client.delete(ID, etag="old")
    assert caught.value.current_etag == "now"


def test_a_write_keeps_its_request_id_over_retries(server: ScriptedServer, client: Client) -> None:
    server.scripts[ADD] = in_turn(failing("UNAVAILABLE"), failing("UNAVAILABLE"), added)
    assert client.add("hello", user_id="ana").sequence == 7
    ids = {request.request_id for request in server.requests(ADD)}
    assert len(server.requests(ADD)) == 3
    assert len(ids) == 1
    assert len(ids.pop()) == 36


def test_two_writes_have_two_request_ids(server: ScriptedServer, client: Client) -> None:
    client.add("hello", user_id="ana")
    client.add("hello", user_id="ana")
    assert len({request.request_id for request in server.requests(ADD)}) == 2


def test_a_call_without_request_id_is_not_repeated_blindly(server: ScriptedServer, client: Client) -> None:
    server.scripts[KEY] = failing("UNAVAILABLE")
    with pytest.raises(mnemon.UnavailableError):
        client.admin.keys.create("writer")
    assert len(server.requests(KEY)) == 1


def test_a_limit_that_names_a_time_is_waited_for(server: ScriptedServer, client: Client) -> None:
    made = admin_service_pb2.CreateApiKeyResponse(secret="mn_x")
    server.scripts[KEY] = in_turn(
        failing("RESOURCE_EXHAUSTED", "RATE_LIMITED", retry_after=0.05), lambda request, context: made
    )
    assert client.admin.keys.create("writer").secret == "mn_x"
    assert len(server.requests(KEY)) == 2


def test_a_limit_beyond_the_deadline_is_raised_at_once(server: ScriptedServer, client: Client) -> None:
    server.scripts[ADD] = failing("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", retry_after=3600.5)
    with pytest.raises(mnemon.QuotaExceededError) as caught:
        client.add("hello", user_id="ana")
    assert caught.value.retry_after == 3600.5
    assert len(server.requests(ADD)) == 1


@pytest.mark.parametrize("code", ["INTERNAL", "ABORTED", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"])
def test_what_waiting_does_not_mend_is_not_repeated(
    server: ScriptedServer, client: Client, code: str
) -> None:
    server.scripts[GET] = failing(code)
    with pytest.raises(mnemon.MnemonError):
        client.get(ID)
    assert len(server.requests(GET)) == 1


def test_tries_end(server: ScriptedServer, client: Client) -> None:
    server.scripts[GET] = failing("UNAVAILABLE")
    with pytest.raises(mnemon.UnavailableError):
        client.get(ID)
    assert len(server.requests(GET)) == QUICK.attempts


def test_one_deadline_bounds_all_tries(server: ScriptedServer, client: Client) -> None:
    server.scripts[GET] = failing("UNAVAILABLE")
    with pytest.raises(mnemon.UnavailableError):
        client.get(ID)
    left = [call.time_remaining for call in server.calls]
    assert all(seconds is not None and seconds <= 10.5 for seconds in left)
    client.add("x", user_id="ana", timeout=3)
    last = server.calls[-1].time_remaining
    assert last is not None
    assert last <= 3.5


def test_a_late_answer_is_a_deadline_error_and_a_timeout(server: ScriptedServer, client: Client) -> None:
    over = threading.Event()

    def late(request: Any, context: grpc.ServicerContext) -> Any:
        over.wait(5)
        return added(request, context)

    server.scripts[ADD] = late
    with pytest.raises(TimeoutError) as caught:
        client.add("hello", user_id="ana", timeout=0.05)
    over.set()
    assert isinstance(caught.value, mnemon.DeadlineExceededError)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with ScriptedServer() as gone:
        address = gone.address
    with (
        Client(address, "", retry=RetryPolicy(attempts=1)) as client,
        pytest.raises(mnemon.UnavailableError) as caught,
    ):
        client.get(ID)
    assert caught.value.reason == ""


def test_a_closed_client_says_so(server: ScriptedServer) -> None:
    client = Client(server.address)
    client.close()
    with pytest.raises(mnemon.ConfigurationError, match="closed"):
        client.get(ID)


async def test_the_asynchronous_client_raises_and_repeats_alike(server: ScriptedServer) -> None:
    server.scripts[ADD] = in_turn(failing("UNAVAILABLE"), added)
    server.scripts[GET] = failing("NOT_FOUND", "MEMORY_NOT_FOUND")
    async with AsyncClient(server.address, "", retry=QUICK) as client:
        assert (await client.add("hello", user_id="ana")).sequence == 7
        with pytest.raises(mnemon.NotFoundError) as caught:
            await client.get(ID)
    assert caught.value.__context__ is None
    assert len({request.request_id for request in server.requests(ADD)}) == 1
    with pytest.raises(mnemon.ConfigurationError, match="closed"):
        await client.get(ID)


async def test_a_cancelled_task_cancels_its_call(server: ScriptedServer) -> None:
    entered, over = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hang(request: Any, context: grpc.ServicerContext) -> Any:
        loop.call_soon_threadsafe(entered.set)
        over.wait(5)
        return added(request, context)

    server.scripts[ADD] = hang
    async with AsyncClient(server.address, "") as client:
        task = asyncio.create_task(client.add("hello", user_id="ana"))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.calls[-1].cancelled.wait, 5)
    over.set()


def test_one_asynchronous_client_serves_loops_that_follow_each_other(server: ScriptedServer) -> None:
    client = AsyncClient(server.address, "")
    for _ in range(2):
        asyncio.run(client.add("hello", user_id="ana"))
    assert len(server.requests(ADD)) == 2


def test_the_trace_of_the_caller_goes_along(server: ScriptedServer, client: Client) -> None:
    from opentelemetry import context, trace

    span = trace.NonRecordingSpan(
        trace.SpanContext(0x1234, 0x5678, is_remote=False, trace_flags=trace.TraceFlags(1))
    )
    token = context.attach(trace.set_span_in_context(span))
    try:
        client.get(ID)
    finally:
        context.detach(token)
    assert server.calls[-1].metadata["traceparent"] == f"00-{0x1234:032x}-{0x5678:016x}-01"


def test_wrong_values_are_refused_before_any_call(server: ScriptedServer, client: Client) -> None:
    wrong: list[Any] = [
        lambda: client.add("x", user_id="ana", memory_type="factual"),
        lambda: client.add(texts="one string", user_id="ana"),
        lambda: client.add([{"role": "clown", "content": "x"}], user_id="ana"),
        lambda: client.add(42, user_id="ana"),  # type: ignore[arg-type]
        lambda: client.add("x", user_id="ana", metadata={"a": object()}),
        lambda: client.add("x", user_id="ana", ttl=1, expire_time=datetime(2027, 1, 1, tzinfo=UTC)),
        lambda: client.update(ID),
        lambda: client.update(ID, metadata={}, merge_metadata={"a": 1}),
        lambda: client.search("x", user_id="ana", filters={"a": {"like": 1}}),
    ]
    for call in wrong:
        with pytest.raises(mnemon.InvalidArgumentError):
            call()
    assert server.calls == []
