"""What must hold after any fault, asked of the server from outside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from mnemon.v1 import admin_service_pb2, memory_pb2, operation_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from support.fault_load import Writer

HEALING_SECONDS = 60.0
OPERATION_SECONDS = 90.0
"""A killed worker's lease lasts 30 seconds; then another takes its operation."""
_GONE = (memory_pb2.MEMORY_STATE_DELETED,)


@dataclass
class Seen:
    """What a watcher of the whole log knows of a memory."""

    version: int
    state: int
    text: str


class Checker:
    """Follows the log across all restarts and compares it with what the writers know."""

    def __init__(self) -> None:
        self.position = 0
        self.memories: dict[str, Seen] = {}
        self._token = ""

    def check(self, channel: grpc.Channel, writers: Sequence[Writer], *, finished: bool = False) -> None:
        """Everything that was acknowledged is there once, in one log without gaps, and nothing else is.

        With `finished`, every operation must end, and the index must equal the record.
        """
        stub, admin = MemoryServiceStub(channel), AdminServiceStub(channel)
        for writer in writers:
            writer.settle()
            self._check_operations(writer, admin, finished=finished)
            self._check_memories(writer, stub, finished=finished)
        self._follow(stub)
        self._compare(writers)
        if finished:
            check_index(admin)

    def _check_operations(self, writer: Writer, admin: AdminServiceStub, *, finished: bool) -> None:
        deadline = time.monotonic() + OPERATION_SECONDS
        for operation_id in list(writer.operations):
            operation = _waited(admin, operation_id, deadline if finished else 0.0)
            if operation.state == operation_pb2.OPERATION_STATE_SUCCEEDED:
                [text] = writer.operations.pop(operation_id)
                assert [change.memory.text for change in operation.add_memories.changes] == [text]
            else:
                assert operation.state in (
                    operation_pb2.OPERATION_STATE_PENDING,
                    operation_pb2.OPERATION_STATE_RUNNING,
                ), f"operation {operation_id} ended: {operation.error}"
                assert not finished, f"operation {operation_id} does not end: {operation}"

    def _check_memories(self, writer: Writer, stub: MemoryServiceStub, *, finished: bool) -> None:
        listed = _listed(stub, writer)
        on_their_way = {text for texts in writer.operations.values() for text in texts}
        for memory in listed.values():
            if memory.id not in writer.memories:
                assert memory.text in writer.nameless, f"nobody wrote {memory.text!r} (or it is there twice)"
                writer.nameless.discard(memory.text)
                writer._set(memory, deleted=False)
            known = writer.memories[memory.id]
            assert not known.deleted, f"deleted memory {memory.id} is listed"
            assert (memory.text, memory.version) == (known.text, known.version)
        lost = writer.nameless - on_their_way
        assert not lost, f"stored in bulk and lost: {lost}"
        expected = {key for key, memory in writer.memories.items() if not memory.deleted}
        assert set(listed) == expected, f"lost: {expected - set(listed)}"
        deleted = [key for key, memory in writer.memories.items() if memory.deleted][-500:]
        if deleted:
            found = stub.BatchGetMemories(pb.BatchGetMemoriesRequest(ids=deleted))
            assert list(found.missing_ids) == deleted
        if finished:
            assert not writer.nameless

    def _follow(self, stub: MemoryServiceStub) -> None:
        """Reads the log on from the last token: no change is missing and none comes twice."""
        end = stub.ListMemories(pb.ListMemoriesRequest(project_wide=True, page_size=1)).sequence
        request = pb.WatchMemoriesRequest(project_wide=True)
        if self._token:
            request.resume_token = self._token
        else:
            request.after_sequence = 0
        watch = stub.WatchMemories(request, timeout=60)
        for message in watch:
            for version in message.versions:
                self._take(version)
            self._token = message.resume_token
            if message.sequence >= end:
                break
        watch.cancel()
        assert self.position >= end

    def _take(self, version: memory_pb2.Version) -> None:
        assert version.sequence == self.position + 1, f"{self.position} is followed by {version.sequence}"
        self.position = version.sequence
        before = self.memories.get(version.memory_id)
        assert version.version == (before.version + 1 if before else 1)
        if version.event == memory_pb2.VERSION_EVENT_UPDATED:
            assert before is not None
            assert version.previous_text == before.text
        self.memories[version.memory_id] = Seen(version.version, version.memory.state, version.memory.text)

    def _compare(self, writers: Sequence[Writer]) -> None:
        for writer in writers:
            for memory_id, known in writer.memories.items():
                seen = self.memories[memory_id]
                assert (seen.version, seen.text) == (known.version, known.text)
                assert (seen.state in _GONE) is known.deleted


def check_index(admin: AdminServiceStub, seconds: float = HEALING_SECONDS) -> None:
    """The index comes to equal the record by itself."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = admin.VerifyIndex(admin_service_pb2.VerifyIndexRequest(), timeout=seconds)
            if found.difference_count == 0:
                return
            wrong = str(found)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            wrong = error.details() or ""
        assert time.monotonic() < deadline, f"the index does not heal: {wrong}"
        time.sleep(0.25)


def _waited(admin: AdminServiceStub, operation_id: str, deadline: float) -> operation_pb2.Operation:
    """The operation, once it has ended if there is time until the deadline."""
    while True:
        request = admin_service_pb2.WaitOperationRequest(id=operation_id)
        request.timeout.FromMilliseconds(5000 if deadline else 1)
        operation = admin.WaitOperation(request, timeout=30).operation
        ended = operation.state >= operation_pb2.OPERATION_STATE_SUCCEEDED
        if ended or time.monotonic() > deadline:
            return operation


def _listed(stub: MemoryServiceStub, writer: Writer) -> dict[str, memory_pb2.Memory]:
    found: dict[str, memory_pb2.Memory] = {}
    token = ""
    while True:
        page = stub.ListMemories(pb.ListMemoriesRequest(scope=writer.scope, page_size=500, page_token=token))
        for memory in page.memories:
            assert memory.id not in found, f"{memory.id} is listed twice"
            found[memory.id] = memory
        token = page.next_page_token
        if not token:
            return found
