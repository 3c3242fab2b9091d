"""Care of the server: what runs, whether the index equals the record, and making it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1 import operation_pb2
from mnemon_service.admin.author import audit_event
from mnemon_service.admin.ports import IndexPosition, LanguageModels, ModelFacts, Rerankers, ServerFacts
from mnemon_service.index.follower import Follower
from mnemon_service.index.protocol import IndexKey, MemoryIndex
from mnemon_service.index.verification import Report
from mnemon_service.model.call import Call
from mnemon_service.model.caller import KeyRole
from mnemon_service.model.errors import FailedPrecondition
from mnemon_service.model.memory import Actor
from mnemon_service.model.settings import ProjectSettings
from mnemon_service.record.operation import Claim, OperationState
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.record.worker import Progress
from mnemon_service.wire.operations import REBUILD_INDEX, to_operation
from mnemon_service.wire.scopes import access_of, operations_access
from mnemon_service.wire.times import set_timestamp

SHOWN_DIFFERENCES: Final = 1_000
"""Differences that VerifyIndex names; it counts all."""
NOTEWORTHY_LAG: Final = 1_000
"""Changes that wait for the index before operators are warned; searches see them from the record."""

_MISSING: Final = pb.IndexDifference.KIND_MISSING
_STALE: Final = pb.IndexDifference.KIND_STALE
_SURPLUS: Final = pb.IndexDifference.KIND_SURPLUS


@dataclass(frozen=True, slots=True)
class IndexCare:
    """The index and what keeps it equal to the record."""

    index: MemoryIndex
    follower: Follower
    position: IndexPosition


class CareRpcs:
    """GetServerInfo, VerifyIndex, RebuildIndex."""

    def __init__(
        self,
        record: Record,
        facts: ServerFacts,
        care: IndexCare,
        models: LanguageModels,
        rerankers: Rerankers,
    ) -> None:
        self._caring = record
        self._facts = facts
        self._index_care = care
        self._offered_models = models
        self._offered_rerankers = rerankers

    async def GetServerInfo(self, _: pb.GetServerInfoRequest, call: Call) -> pb.GetServerInfoResponse:
        """See the contract. The models are those of the key's project; for root, the server's own."""
        project_id, facts = call.caller.project_id, self._facts
        settings = await self._caring.settings.of(project_id) if project_id else ProjectSettings()
        description = self._index_care.index.description
        lag = await self._lag(project_id)
        response = pb.GetServerInfoResponse(
            version=facts.version,
            database=facts.database,
            index=f"{description.kind} {description.version}".strip(),
            embedding_model=_to_model(facts.embedding),
            extraction_model=_to_model(self._extraction(settings)),
            reranker=_to_model(self._reranker(settings)),
            warnings=[*facts.warnings, *self._index_warnings(lag)],
            index_lag=lag,
        )
        set_timestamp(response.start_time, facts.start_time)
        return response

    async def _lag(self, project_id: str) -> int:
        """Changes that the index has not taken in: of a project, or of all."""
        if project_id:
            end = await self._caring.log.last_sequence(Access(project_id))
            return max(0, end - await self._index_care.position.cursor(project_id))
        behind = await self._index_care.position.positions()
        return sum(end - cursor for cursor, end in behind.values())

    def _index_warnings(self, lag: int) -> list[str]:
        index, warnings = self._index_care.index, []
        if index.needs_rebuild:
            warnings.append("the index holds vectors of another embedding model: call RebuildIndex")
        if index.needs_verification:
            warnings.append("the index stopped uncleanly and is being compared with the record")
        if lag > NOTEWORTHY_LAG:
            warnings.append(f"the index is {lag} changes behind; searches read them from the record")
        return warnings

    def _extraction(self, settings: ProjectSettings) -> ModelFacts:
        try:
            model = self._offered_models.get(settings.extraction_model)
        except FailedPrecondition as error:
            return _named(settings.extraction_model, available=False, detail=error.message)
        return ModelFacts("deterministic") if model is None else _named(model.name)

    def _reranker(self, settings: ProjectSettings) -> ModelFacts:
        try:
            reranker = self._offered_rerankers.get(settings.reranker)
        except FailedPrecondition as error:
            return _named(settings.reranker, available=False, detail=error.message)
        if reranker is None:
            return ModelFacts("none", available=False, detail="no reranker is configured")
        return _named(reranker.name)

    async def VerifyIndex(self, request: pb.VerifyIndexRequest, call: Call) -> pb.VerifyIndexResponse:
        """See the contract. Root compares every project."""
        if call.caller.role is KeyRole.ROOT:
            projects = await self._caring.projects.ids()
        else:
            projects = [access_of(call.caller).project_id]
        response = pb.VerifyIndexResponse(repaired=request.repair)
        for project_id in projects:
            with call.stages.stage("verify"):
                if request.repair:
                    report = await self._index_care.follower.verify_and_repair(project_id)
                else:
                    report = await self._index_care.follower.verify(project_id)
            _write_report(report, response)
        return response

    async def RebuildIndex(self, request: pb.RebuildIndexRequest, call: Call) -> pb.RebuildIndexResponse:
        """See the contract. While a rebuild waits or runs, asking for one answers that one."""
        access = operations_access(call.caller)
        waiting, _ = await self._caring.operations.list(
            access, states=(OperationState.PENDING, OperationState.RUNNING), types=(REBUILD_INDEX,)
        )
        if waiting:
            return pb.RebuildIndexResponse(operation=to_operation(waiting[-1]))
        async with self._caring.write(access, Actor(call.caller.key_id, call.rpc)) as write:
            operation = await write.enqueue(REBUILD_INDEX, request.SerializeToString())
            event = audit_event(call, f"operations/{operation.id}", "")
            await write.run(self._caring.audit.appending(event))
        return pb.RebuildIndexResponse(operation=to_operation(operation))


class IndexRebuilder:
    """Does RebuildIndex; one at a time."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._one = asyncio.Lock()

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        """Makes the index anew. A second run after a crash begins again; the old index answers until the
        new one is whole."""

        def indexed(count: int) -> None:
            progress.done = count

        async with self._one:
            count = await self._follower.rebuild(indexed)
        progress.total = count
        return operation_pb2.RebuildIndexResult(indexed_count=count).SerializeToString()


def _named(name: str, *, available: bool = True, detail: str = "") -> ModelFacts:
    provider, _, model = name.partition("/")
    return ModelFacts(provider, model, available=available, detail=detail)


def _to_model(facts: ModelFacts) -> pb.ModelInfo:
    return pb.ModelInfo(
        provider=facts.provider,
        model=facts.model,
        dimension=facts.dimension,
        available=facts.available,
        detail=facts.detail,
    )


def _write_report(report: Report, response: pb.VerifyIndexResponse) -> None:
    response.checked_count += report.compared
    kinds: Iterable[tuple[int, tuple[IndexKey, ...]]] = (
        (_MISSING, report.missing),
        (_STALE, report.stale),
        (_SURPLUS, report.surplus),
    )
    for kind, keys in kinds:
        response.difference_count += len(keys)
        for key in keys[: max(0, SHOWN_DIFFERENCES - len(response.differences))]:
            response.differences.add(memory_id=key.memory_id, kind=kind)
