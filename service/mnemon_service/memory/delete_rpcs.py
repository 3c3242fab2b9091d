"""DeleteMemories: all that a scope and filter select, at once or in the background."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1 import operation_pb2
from mnemon_service.memory.changing import Changer
from mnemon_service.memory.ports import Applier
from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.filter import Comparison, Op, all_of
from mnemon_service.model.memory import Actor
from mnemon_service.record.operation import Claim
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Selection
from mnemon_service.record.worker import Progress
from mnemon_service.record.writing import Write
from mnemon_service.wire.filters import from_filter
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.operations import DELETE_MEMORIES, to_operation
from mnemon_service.wire.scopes import access_of, read_scope, to_scope

AT_ONCE: Final = 10_000
"""Memories deleted in one transaction; more go through the queue."""
PIECE: Final = 1_000
"""Memories that the background deletes in one transaction."""


class DeleteRpcs:
    """DeleteMemories."""

    def __init__(self, record: Record, changer: Changer, at_once: int = AT_ONCE) -> None:
        self._counting = record
        self._deleting = changer
        self._at_once = at_once

    async def DeleteMemories(
        self, request: pb.DeleteMemoriesRequest, call: Call
    ) -> pb.DeleteMemoriesResponse:
        """See the contract. Superseded memories of the scope are deleted too: nothing of it stays."""
        selection = _selection(request, call.caller)
        if request.dry_run:
            count = await self._counting.memories.count(access_of(call.caller), selection)
            return pb.DeleteMemoriesResponse(matched_count=count)

        async def work(write: Write) -> pb.DeleteMemoriesResponse:
            found = await write.select(selection, limit=self._at_once + 1)
            if len(found) <= self._at_once:
                for memory in found:
                    write.delete(memory.id, reason=request.reason)
                return pb.DeleteMemoriesResponse(matched_count=len(found))
            return await self._enqueued(write, request, selection, call)

        key = request_key(call, request.request_id, request)
        return await self._deleting.change(call, key, pb.DeleteMemoriesResponse, work)

    async def _enqueued(
        self, write: Write, request: pb.DeleteMemoriesRequest, selection: Selection, call: Call
    ) -> pb.DeleteMemoriesResponse:
        count = await self._counting.memories.count(access_of(call.caller), selection)
        payload = pb.DeleteMemoriesRequest()
        payload.CopyFrom(request)
        if not selection.scope.is_empty:
            to_scope(selection.scope, payload.scope)
            payload.project_wide = False
        operation = await write.enqueue(
            DELETE_MEMORIES, payload.SerializeToString(), scope=selection.scope, total=count
        )
        return pb.DeleteMemoriesResponse(matched_count=count, operation=to_operation(operation))


class DeleteWorker:
    """Does the large deletions of the queue, piece by piece."""

    def __init__(self, record: Record, applier: Applier, piece: int = PIECE) -> None:
        self._record = record
        self._applier = applier
        self._piece = piece

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        """Deletes what is left of the selection, as far as it was there when the deletion was asked for.
        How many are done is committed with each piece."""
        operation = claim.operation
        request = pb.DeleteMemoriesRequest.FromString(operation.payload)
        caller = Caller(operation.project_id, KeyRole.ADMIN, operation.actor_key)
        selection = _there_at(_selection(request, caller), operation.create_time)
        access = Access(operation.project_id)
        actor = Actor(operation.actor_key, f"operations/{operation.id}")
        done = int(operation.checkpoint or b"0")
        while True:
            async with self._record.write(access, actor) as write:
                found = await write.select(selection, limit=self._piece)
                for memory in found:
                    write.delete(memory.id, reason=request.reason)
                done += len(found)
                if len(found) < self._piece:
                    result = operation_pb2.DeleteMemoriesResult(deleted_count=done)
                    write.complete(claim, result.SerializeToString(), done=done)
                else:
                    write.checkpoint(claim, checkpoint=str(done).encode(), done=done)
            await self._applier.apply(access.project_id, write.versions, {})
            progress.done = done
            if len(found) < self._piece:
                return None


def _selection(request: pb.DeleteMemoriesRequest, caller: Caller) -> Selection:
    return Selection(
        scope=read_scope(request.scope, caller, project_wide=request.project_wide),
        filter=from_filter(request.filter) if request.HasField("filter") else None,
        show_superseded=True,
    )


def _there_at(selection: Selection, moment: datetime) -> Selection:
    """What was stored by a moment; memories that come later were not meant."""
    stored = Comparison("create_time", Op.LTE, (moment,))
    return replace(selection, filter=all_of([stored, selection.filter] if selection.filter else [stored]))
