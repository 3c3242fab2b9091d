"""Bulk in and out over the wire: bad rows, breaks, resumption, one place in the log."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest

from mnemon.v1 import admin_service_pb2, admin_service_pb2_grpc, memory_pb2, operation_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.scope_pb2 import Scope
from support.server import MnemonServer


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    """A server without embeddings: storing is under test here, not finding."""
    environment = {"MNEMON_EMBEDDING_PROVIDER": "none"}
    with MnemonServer(tmp_path_factory.mktemp("bulk"), environment) as running:
        yield running


@pytest.fixture(scope="module")
def memories(plain_server: MnemonServer) -> Iterator[MemoryServiceStub]:
    with plain_server.channel() as channel:
        yield MemoryServiceStub(channel)


@pytest.fixture(scope="module")
def admin(plain_server: MnemonServer) -> Iterator[admin_service_pb2_grpc.AdminServiceStub]:
    with plain_server.channel() as channel:
        yield admin_service_pb2_grpc.AdminServiceStub(channel)


def rows_of(user: str, count: int, first: int = 0) -> list[pb.ImportRow]:
    return [
        pb.ImportRow(text=f"statement {number}", scope=Scope(user_id=user))
        for number in range(first, first + count)
    ]


def stream(
    rows: Sequence[pb.ImportRow], request_id: str, *, message_rows: int = 400, **options: Any
) -> Iterator[pb.ImportMemoriesRequest]:
    yield pb.ImportMemoriesRequest(options=pb.ImportOptions(request_id=request_id, **options))
    for start in range(0, len(rows), message_rows):
        yield pb.ImportMemoriesRequest(rows=pb.ImportRows(rows=rows[start : start + message_rows]))


def export(memories: MemoryServiceStub, user: str, **fields: Any) -> list[pb.ExportMemoriesResponse]:
    request = pb.ExportMemoriesRequest(scope=Scope(user_id=user), **fields)
    return list(memories.ExportMemories(request))


def texts_in(messages: Sequence[pb.ExportMemoriesResponse]) -> list[str]:
    return [memory.text for message in messages for memory in message.memories]


def test_each_bad_row_is_named_and_the_others_are_stored(memories: MemoryServiceStub, user: str) -> None:
    rows = rows_of(user, 6)
    rows[1].text = "  "
    rows[2].scope.user_id = "x" * 257
    rows[3].categories.extend(["same", "same"])
    rows[3].row = 77
    rows[4].event_time.precision = memory_pb2.EVENT_TIME_PRECISION_DAY
    rows.append(pb.ImportRow(text="nobody's"))
    result = memories.ImportMemories(stream(rows, str(uuid.uuid4()))).result
    assert (result.imported_count, result.duplicate_count, result.refused_count) == (2, 0, 5)
    assert [(error.row, error.field, error.reason) for error in result.errors] == [
        (2, "text", "INVALID_FIELD"),
        (3, "scope.user_id", "INVALID_FIELD"),
        (77, "categories", "INVALID_FIELD"),
        (5, "event_time.time", "INVALID_FIELD"),
        (7, "scope", "SCOPE_REQUIRED"),
    ]
    assert texts_in(export(memories, user)) == ["statement 0", "statement 5"]


def test_everything_of_a_row_comes_back(memories: MemoryServiceStub, user: str) -> None:
    row = pb.ImportRow(
        text="Ana moved to Oslo",
        type=memory_pb2.MEMORY_TYPE_EPISODIC,
        categories=["home"],
        attributed_to="Ana",
        entities=[memory_pb2.Entity(name="Oslo", type="PLACE")],
    )
    row.metadata.update({"source": {"line": 3}})
    row.event_time.time.FromJsonString("2023-05-01T00:00:00Z")
    row.event_time.precision = memory_pb2.EVENT_TIME_PRECISION_MONTH
    row.create_time.FromJsonString("2024-01-02T03:04:05Z")
    row.expire_time.FromJsonString("2199-01-01T00:00:00Z")
    memories.ImportMemories(stream([row], str(uuid.uuid4()), scope=Scope(user_id=user)))
    [[stored]] = [message.memories for message in export(memories, user)]
    for field in ("text", "type", "attributed_to", "metadata", "event_time", "create_time", "expire_time"):
        assert getattr(stored, field) == getattr(row, field), field
    assert list(stored.categories) == ["home"]
    assert list(stored.entities) == list(row.entities)
    assert stored.scope == Scope(user_id=user)


def test_duplicates_are_counted_within_a_scope_only(memories: MemoryServiceStub, user: str) -> None:
    other = f"{user}-other"
    memories.ImportMemories(stream(rows_of(user, 3), str(uuid.uuid4())))
    again = [*rows_of(user, 4), *rows_of(user, 4), *rows_of(other, 2)]
    tried = memories.ImportMemories(stream(again, str(uuid.uuid4()), dry_run=True))
    done = memories.ImportMemories(stream(again, str(uuid.uuid4())))
    assert (done.result.imported_count, done.result.duplicate_count) == (3, 7)
    assert tried.result == done.result
    assert not tried.operation_id
    assert len(texts_in(export(memories, user))) == 4


def test_a_dry_run_stores_nothing_and_finds_duplicates_in_the_file(
    memories: MemoryServiceStub, user: str
) -> None:
    rows = [*rows_of(user, 600), *rows_of(user, 1)]
    result = memories.ImportMemories(stream(rows, str(uuid.uuid4()), dry_run=True)).result
    assert (result.imported_count, result.duplicate_count) == (600, 1)
    assert texts_in(export(memories, user)) == []


def test_a_broken_import_goes_on_where_it_was(
    memories: MemoryServiceStub, admin: admin_service_pb2_grpc.AdminServiceStub, user: str
) -> None:
    rows, request_id = rows_of(user, 1_300), str(uuid.uuid4())
    hold = threading.Event()

    def broken() -> Iterator[pb.ImportMemoriesRequest]:
        yield from stream(rows[:800], request_id, message_rows=100)
        hold.wait(30)

    call = memories.ImportMemories.future(broken())
    watch = memories.WatchMemories(pb.WatchMemoriesRequest(scope=Scope(user_id=user), after_sequence=0))
    seen = 0
    for message in watch:
        seen += len(message.versions)
        if seen >= 500:
            break
    watch.cancel()
    call.cancel()
    hold.set()
    failed = _operation(admin, operation_pb2.OPERATION_STATE_FAILED)
    assert (failed.error.reason, failed.progress.done) == ("CANCELLED", 500)
    assert "same request_id" in failed.error.message

    done = memories.ImportMemories(stream(rows, request_id, message_rows=333))
    assert (done.result.imported_count, done.result.duplicate_count) == (1_300, 0)
    found = texts_in(export(memories, user))
    assert len(found) == len(set(found)) == 1_300
    succeeded = admin.GetOperation(admin_service_pb2.GetOperationRequest(id=done.operation_id)).operation
    assert succeeded.state == operation_pb2.OPERATION_STATE_SUCCEEDED
    assert succeeded.progress.done == 1_300
    assert succeeded.import_memories == done.result

    end = export(memories, user)[0].sequence
    again = memories.ImportMemories(stream(rows, request_id))
    assert again.result == done.result
    assert export(memories, user)[0].sequence == end


def _operation(
    admin: admin_service_pb2_grpc.AdminServiceStub, state: operation_pb2.OperationState.ValueType
) -> operation_pb2.Operation:
    """The newest import once it is in this state."""
    request = admin_service_pb2.ListOperationsRequest(kinds=[operation_pb2.OPERATION_KIND_IMPORT_MEMORIES])
    newest = admin.ListOperations(request).operations[0]
    wait = admin_service_pb2.WaitOperationRequest(id=newest.id)
    wait.timeout.FromSeconds(10)
    found = admin.WaitOperation(wait).operation
    assert found.state == state
    return found


def test_other_rows_under_the_same_name_are_refused(memories: MemoryServiceStub, user: str) -> None:
    request_id = str(uuid.uuid4())
    memories.ImportMemories(stream(rows_of(user, 2), request_id))
    with pytest.raises(grpc.RpcError) as refused:
        memories.ImportMemories(stream(rows_of(user, 2, first=7), request_id))
    assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert len(texts_in(export(memories, user))) == 2


@pytest.mark.parametrize("shape", ["no options", "options twice", "empty"])
def test_a_stream_of_another_shape_is_refused(memories: MemoryServiceStub, user: str, shape: str) -> None:
    good = list(stream(rows_of(user, 1), str(uuid.uuid4())))
    messages = {"no options": good[1:], "options twice": [good[0], good[0]], "empty": []}[shape]
    with pytest.raises(grpc.RpcError) as refused:
        memories.ImportMemories(iter(messages))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_cancelling_the_operation_stops_the_stream(
    memories: MemoryServiceStub, admin: admin_service_pb2_grpc.AdminServiceStub, user: str
) -> None:
    hold = threading.Event()

    def endless() -> Iterator[pb.ImportMemoriesRequest]:
        yield from stream(rows_of(user, 500), str(uuid.uuid4()))
        hold.wait(30)

    call = memories.ImportMemories.future(endless())
    watch = memories.WatchMemories(pb.WatchMemoriesRequest(scope=Scope(user_id=user), after_sequence=0))
    next(message for message in watch if message.versions)
    watch.cancel()
    listed = admin.ListOperations(
        admin_service_pb2.ListOperationsRequest(kinds=[operation_pb2.OPERATION_KIND_IMPORT_MEMORIES])
    )
    admin.CancelOperation(admin_service_pb2.CancelOperationRequest(id=listed.operations[0].id))
    assert call.code() == grpc.StatusCode.ABORTED  # waits for the call's end
    hold.set()
    assert _operation(admin, operation_pb2.OPERATION_STATE_CANCELLED).progress.done == 500


def test_an_export_shows_one_place_in_the_log(memories: MemoryServiceStub, user: str) -> None:
    memories.ImportMemories(stream(rows_of(user, 1_200), str(uuid.uuid4())))
    call = memories.ExportMemories(pb.ExportMemoriesRequest(scope=Scope(user_id=user)))
    first = next(call)
    changed = pb.UpdateMemoryRequest(memory=memory_pb2.Memory(text="changed"))
    victims = memories.ListMemories(pb.ListMemoriesRequest(scope=Scope(user_id=user))).memories
    changed.memory.id = victims[0].id
    memories.UpdateMemory(changed)
    memories.DeleteMemory(pb.DeleteMemoryRequest(id=victims[1].id))
    memories.ImportMemories(stream(rows_of(user, 5, first=5_000), str(uuid.uuid4())))
    messages = [first, *call]
    assert sorted(texts_in(messages)) == sorted(f"statement {number}" for number in range(1_200))
    assert {message.sequence for message in messages} == {first.sequence}
    assert messages[-1].exported_count == 1_200
    now = texts_in(export(memories, user))
    assert len(now) == 1_204
    assert "changed" in now


def test_a_broken_export_goes_on_behind_any_message(memories: MemoryServiceStub, user: str) -> None:
    rows = rows_of(user, 700)
    for row in rows[:40]:
        row.text += "x" * 30_000  # more than a message holds
    memories.ImportMemories(stream(rows, str(uuid.uuid4()), message_rows=50))
    whole = export(memories, user, include_versions=True)
    assert len(whole) > 4
    expected = [_content(message) for message in whole]
    for place, message in enumerate(whole):
        rest = export(memories, user, include_versions=True, resume_token=message.resume_token)
        assert [_content(each) for each in rest if each.memories or each.versions] == expected[place + 1 :]
        assert rest[-1].exported_count == 700
    with pytest.raises(grpc.RpcError) as refused:
        export(memories, user, resume_token=whole[0].resume_token)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def _content(message: pb.ExportMemoriesResponse) -> tuple[list[str], list[str]]:
    return [memory.id for memory in message.memories], [version.memory_id for version in message.versions]


def test_versions_come_up_to_the_place_that_is_exported(memories: MemoryServiceStub, user: str) -> None:
    memories.ImportMemories(stream(rows_of(user, 2), str(uuid.uuid4())))
    [message] = export(memories, user)
    memory_id = message.memories[0].id
    for text in ("second", "third"):
        memories.UpdateMemory(pb.UpdateMemoryRequest(memory=memory_pb2.Memory(id=memory_id, text=text)))
    now = export(memories, user, include_versions=True)
    assert [
        (version.version, version.memory.text)
        for part in now
        for version in part.versions
        if version.memory_id == memory_id
    ] == [(1, "statement 0"), (2, "second"), (3, "third")]
    then = export(memories, user, include_versions=True, as_of=memory_pb2.AsOf(sequence=message.sequence))
    assert texts_in(then) == ["statement 0", "statement 1"]
    assert [version.version for part in then for version in part.versions] == [1, 1]


def test_an_empty_export_says_where_the_log_is(memories: MemoryServiceStub, user: str) -> None:
    [message] = export(memories, user)
    assert (len(message.memories), message.exported_count) == (0, 0)
    assert message.resume_token


def test_feedback_is_stored_once_and_only_for_what_is_there(memories: MemoryServiceStub, user: str) -> None:
    memories.ImportMemories(stream(rows_of(user, 1), str(uuid.uuid4())))
    memory_id = export(memories, user)[0].memories[0].id
    request = pb.SubmitFeedbackRequest(
        memory_id=memory_id, rating=pb.FEEDBACK_RATING_NEGATIVE, reason="old", request_id=str(uuid.uuid4())
    )
    first = memories.SubmitFeedback(request)
    assert memories.SubmitFeedback(request) == first
    request.reason = "other"
    with pytest.raises(grpc.RpcError) as reused:
        memories.SubmitFeedback(request)
    assert reused.value.code() == grpc.StatusCode.ALREADY_EXISTS
    with pytest.raises(grpc.RpcError) as missing:
        memories.SubmitFeedback(
            pb.SubmitFeedbackRequest(memory_id=str(uuid.uuid4()), rating=pb.FEEDBACK_RATING_POSITIVE)
        )
    assert missing.value.code() == grpc.StatusCode.NOT_FOUND


def test_what_was_imported_is_found_by_its_meaning(channel: grpc.Channel, user: str) -> None:
    """The one test with embeddings: a row's vector is in the record and in the index."""
    from mnemon.v1 import search_service_pb2, search_service_pb2_grpc

    rows = [
        pb.ImportRow(text=text, scope=Scope(user_id=user))
        for text in ("Ana is allergic to peanuts", "Bo drives a red car")
    ]
    MemoryServiceStub(channel).ImportMemories(stream(rows, str(uuid.uuid4())))
    search = search_service_pb2.SearchRequest(query="Which food makes Ana ill?", scope=Scope(user_id=user))
    hits = search_service_pb2_grpc.SearchServiceStub(channel).Search(search).hits
    assert hits[0].memory.text == "Ana is allergic to peanuts"
    assert hits[0].parts.semantic > 0
