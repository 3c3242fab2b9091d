"""The server's isolation probe notices a server that leaks."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import Message

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1 import memory_service_pb2 as memory
from mnemon.v1.memory_service_pb2 import AddMemoriesResponse, GetMemoryResponse, ListVersionsResponse
from mnemon_service.admin.isolation_rpcs import IsolationRpcs
from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import NotFound
from mnemon_service.record.record import Record


class LeakyServer:
    """Answers each read with the last text that anybody stored, and counts changes as versions."""

    def __init__(self, leaks_in: str) -> None:
        self._leaks_in = leaks_in
        self._text = ""
        self._owner = ""
        self._versions = 1

    async def __call__(self, method: str, request: Message, caller: Caller, seconds: float) -> list[Message]:
        if isinstance(request, memory.AddMemoriesRequest):
            self._text, self._owner = request.texts[0], caller.project_id
            added = AddMemoriesResponse()
            added.changes.add().memory.id = "id"
            return [added]
        owns = caller.project_id == self._owner and caller.bound_scope.is_empty
        if not owns and method != self._leaks_in:
            raise NotFound("there is no memory id")
        if isinstance(request, memory.ListVersionsRequest):
            response = ListVersionsResponse()
            for _ in range(self._versions):
                response.versions.add().memory.text = self._text
            return [response]
        if isinstance(request, memory.UpdateMemoryRequest):
            self._versions += 1
            return []
        return [GetMemoryResponse(memory={"text": self._text})]  # type: ignore[arg-type]


async def broken_parts(directory: Path, leaks_in: str) -> set[str]:
    """The RPCs that the probe calls leaky."""
    record = await Record.open(directory / "mnemon.db")
    call = Call("AdminService/SelfTestIsolation", Caller("", KeyRole.ROOT), "request")
    probe = IsolationRpcs(record, LeakyServer(leaks_in))
    answer = await probe.SelfTestIsolation(pb.SelfTestIsolationRequest(), call)
    assert (await record.projects.list())[0] == []
    await record.close()
    broken = {each.method for each in answer.probes if not each.isolated}
    assert answer.isolated == (not broken)
    return broken


async def test_a_tight_server_passes(tmp_path: Path) -> None:
    assert await broken_parts(tmp_path, "") == set()


async def test_a_leaking_read_is_named(tmp_path: Path) -> None:
    assert await broken_parts(tmp_path, "SearchService/Search") == {"SearchService/Search"}


async def test_a_change_by_a_stranger_is_seen(tmp_path: Path) -> None:
    assert await broken_parts(tmp_path, "MemoryService/UpdateMemory") == {"MemoryService/ListVersions"}
