"""The isolation probe: on this running server, one project and one bound key reach for another's memory."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1 import memory_service_pb2 as memory
from mnemon.v1 import search_service_pb2 as search
from mnemon.v1.entity_pb2 import ENTITY_KIND_USER
from mnemon.v1.memory_pb2 import Memory
from mnemon.v1.scope_pb2 import Scope as WireScope
from mnemon_service.admin.ports import InProcessCalls
from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import MnemonError, NotFound, PermissionDenied, Unimplemented
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record

STREAM_SECONDS: Final = 0.3
"""How long a stream that does not end by itself is read."""
OWNER: Final = "captain"


@dataclass(frozen=True, slots=True)
class Reach:
    """One request that names the victim's memory or its owner."""

    method: str
    request: Message
    owner_sees: bool = False
    """True for what must show the memory to its owner, or else the probe proves nothing."""


class IsolationRpcs:
    """SelfTestIsolation."""

    def __init__(self, record: Record, calls: InProcessCalls) -> None:
        self._record = record
        self._calls = calls

    async def SelfTestIsolation(
        self, _: pb.SelfTestIsolationRequest, call: Call
    ) -> pb.SelfTestIsolationResponse:
        """See the contract. It makes two projects for the time of the probe and erases them."""
        with call.stages.stage("probe"):
            async with self._projects() as (victim, stranger):
                probes = await self._probe(victim, stranger)
        return pb.SelfTestIsolationResponse(isolated=all(probe.isolated for probe in probes), probes=probes)

    @asynccontextmanager
    async def _projects(self) -> AsyncIterator[tuple[str, str]]:
        name = f"isolation-probe-{secrets.token_hex(6)}"
        made = (f"{name}-a", f"{name}-b")
        try:
            for project_id in made:
                await self._record.projects.create(project_id, "made by SelfTestIsolation")
            yield made
        finally:
            for project_id in made:
                await self._record.projects.erase(project_id)

    async def _probe(self, victim: str, stranger: str) -> list[pb.IsolationProbe]:
        owner = Caller(victim, KeyRole.ADMIN, "isolation-probe")
        intruders = {
            "a key of another project": Caller(stranger, KeyRole.ADMIN, "isolation-probe"),
            "a key bound to another user": Caller(
                victim, KeyRole.WRITER, "isolation-probe", Scope(user_id="guest")
            ),
        }
        marker = f"treasure{secrets.token_hex(8)}"
        add = memory.AddMemoriesRequest(
            scope=WireScope(user_id=OWNER), texts=[f"The {marker} lies under the old oak"], infer=False
        )
        (added,) = await self._calls(ADD, add, owner, STREAM_SECONDS)
        memory_id = added.changes[0].memory.id  # type: ignore[attr-defined]
        probes = []
        for reach in _reaches(memory_id):
            probe = await self._try(reach, owner, intruders, marker)
            if probe is not None:
                probes.append(probe)
        probes.append(await self._unchanged(memory_id, owner))
        await self._calls(DELETE, memory.DeleteMemoryRequest(id=memory_id), owner, STREAM_SECONDS)
        return probes

    async def _try(
        self, reach: Reach, owner: Caller, intruders: dict[str, Caller], marker: str
    ) -> pb.IsolationProbe | None:
        """What the intruders got; None for an RPC that this release lacks."""
        said, isolated = [], True
        if reach.owner_sees:
            seen = await self._seen(reach, owner)
            if seen is None:
                return None
            if marker not in seen:
                said, isolated = ["its owner does not see it"], False
        for name, intruder in intruders.items():
            seen = await self._seen(reach, intruder)
            if seen is None:
                return None
            if marker in seen:
                isolated = False
            said.append(f"{name}: {'SAW IT' if marker in seen else seen if seen in _REFUSED else 'nothing'}")
        return pb.IsolationProbe(method=reach.method, isolated=isolated, detail="; ".join(said))

    async def _seen(self, reach: Reach, caller: Caller) -> str | None:
        """All that the caller read, or the refusal's class; None for an RPC that this release lacks."""
        try:
            answers = await self._calls(reach.method, reach.request, caller, STREAM_SECONDS)
        except Unimplemented:
            return None
        except (NotFound, PermissionDenied) as refusal:
            return type(refusal).__name__
        except MnemonError as error:
            return error.message
        return "\n".join(MessageToJson(answer) for answer in answers)

    async def _unchanged(self, memory_id: str, owner: Caller) -> pb.IsolationProbe:
        """Whether the intruders' changes had no effect."""
        request = memory.ListVersionsRequest(memory_id=memory_id)
        (answer,) = await self._calls(VERSIONS, request, owner, STREAM_SECONDS)
        count = len(answer.versions)  # type: ignore[attr-defined]
        detail = "the memory is as its owner left it" if count == 1 else f"the memory has {count} versions"
        return pb.IsolationProbe(method=VERSIONS, isolated=count == 1, detail=detail)


ADD: Final = "MemoryService/AddMemories"
DELETE: Final = "MemoryService/DeleteMemory"
VERSIONS: Final = "MemoryService/ListVersions"
_REFUSED: Final = (NotFound.__name__, PermissionDenied.__name__)


def _reaches(memory_id: str) -> list[Reach]:
    scope = WireScope(user_id=OWNER)
    find = search.SearchRequest(query="where is the treasure?", scope=scope, include_messages=True)
    intrusion = memory.UpdateMemoryRequest(memory=Memory(id=memory_id, text="intrusion"))
    changes: list[tuple[str, Any]] = [
        ("UpdateMemory", intrusion),
        ("DeleteMemory", memory.DeleteMemoryRequest(id=memory_id)),
        ("RestoreMemory", memory.RestoreMemoryRequest(id=memory_id)),
        ("RevertMemory", memory.RevertMemoryRequest(id=memory_id, version=1)),
        ("BatchUpdateMemories", memory.BatchUpdateMemoriesRequest(requests=[intrusion])),
        ("BatchDeleteMemories", memory.BatchDeleteMemoriesRequest(ids=[memory_id])),
        ("DeleteMemories", memory.DeleteMemoriesRequest(scope=scope)),
        (
            "SubmitFeedback",
            memory.SubmitFeedbackRequest(memory_id=memory_id, rating=memory.FEEDBACK_RATING_NEGATIVE),
        ),
    ]
    reads: list[tuple[str, Any]] = [
        ("MemoryService/GetMemory", memory.GetMemoryRequest(id=memory_id)),
        ("MemoryService/BatchGetMemories", memory.BatchGetMemoriesRequest(ids=[memory_id])),
        ("MemoryService/ListMemories", memory.ListMemoriesRequest(scope=scope)),
        (VERSIONS, memory.ListVersionsRequest(memory_id=memory_id)),
        ("MemoryService/ExportMemories", memory.ExportMemoriesRequest(scope=scope)),
        ("MemoryService/WatchMemories", memory.WatchMemoriesRequest(scope=scope, after_sequence=0)),
        ("SearchService/Search", find),
        ("SearchService/StreamSearch", search.StreamSearchRequest(search=find)),
        ("SearchService/BuildContext", search.BuildContextRequest(search=find, token_budget=500)),
        (
            "AdminService/GetEntity",
            pb.GetEntityRequest(kind=ENTITY_KIND_USER, id=OWNER, memory_limit=10),
        ),
    ]
    return [
        *(Reach(method, request, owner_sees=True) for method, request in reads),
        *(Reach(f"MemoryService/{name}", request) for name, request in changes),
    ]
