"""Entities: whom and what memories are about, and deleting a user, agent, app or run."""

from __future__ import annotations

from typing import Final

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1 import entity_pb2, operation_pb2
from mnemon_service.admin.author import audit_event
from mnemon_service.admin.ports import Applier
from mnemon_service.model.call import Call
from mnemon_service.model.errors import NotFound, Reason
from mnemon_service.model.memory import Actor, Memory
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.entity_lists import NAMED, EntityOrder, ListedEntity
from mnemon_service.record.operation import Claim
from mnemon_service.record.record import Record
from mnemon_service.record.selection import DEFAULT_PAGE_SIZE, Access, Selection
from mnemon_service.record.worker import Progress
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.memories import write_memory
from mnemon_service.wire.operations import DELETE_ENTITY, to_operation
from mnemon_service.wire.scopes import access_of, from_scope
from mnemon_service.wire.times import set_timestamp

PIECE: Final = 1_000
"""Memories deleted in one transaction."""
_KINDS: Final = {
    entity_pb2.ENTITY_KIND_USER: "user_id",
    entity_pb2.ENTITY_KIND_AGENT: "agent_id",
    entity_pb2.ENTITY_KIND_APP: "app_id",
    entity_pb2.ENTITY_KIND_RUN: "run_id",
    entity_pb2.ENTITY_KIND_NAMED: NAMED,
}
_WIRE_KINDS: Final = {kind: number for number, kind in _KINDS.items()}
_ORDERS: Final = {
    pb.ENTITY_ORDER_UNSPECIFIED: EntityOrder.ACTIVITY,
    pb.ENTITY_ORDER_LAST_ACTIVITY_DESC: EntityOrder.ACTIVITY,
    pb.ENTITY_ORDER_ID_ASC: EntityOrder.ID,
    pb.ENTITY_ORDER_MEMORY_COUNT_DESC: EntityOrder.MEMORIES,
}


class EntityRpcs:
    """ListEntities, GetEntity, DeleteEntity."""

    def __init__(self, record: Record) -> None:
        self._entities = record

    async def ListEntities(self, request: pb.ListEntitiesRequest, call: Call) -> pb.ListEntitiesResponse:
        """See the contract."""
        access, order = access_of(call.caller), _ORDERS[request.order]
        page_size = request.page_size or DEFAULT_PAGE_SIZE
        if request.kind == entity_pb2.ENTITY_KIND_NAMED:
            found, token = await self._entities.entity_lists.named(
                access,
                from_scope(request.scope),
                order,
                prefix=request.id_prefix,
                page_size=page_size,
                page_token=request.page_token,
            )
        else:
            kinds = (_KINDS[request.kind],) if request.kind else SCOPE_FIELDS
            found, token = await self._entities.entity_lists.scope_entities(
                access,
                kinds,
                order,
                prefix=request.id_prefix,
                page_size=page_size,
                page_token=request.page_token,
            )
        return pb.ListEntitiesResponse(entities=map(_to_summary, found), next_page_token=token)

    async def GetEntity(self, request: pb.GetEntityRequest, call: Call) -> pb.GetEntityResponse:
        """See the contract."""
        access, kind = access_of(call.caller), _KINDS[request.kind]
        if kind == NAMED:
            named = await self._entities.entity_lists.one_named(access, request.id)
            response = pb.GetEntityResponse(entity=_to_summary(named))
            memories = await self._naming(access, request.id, request.memory_limit)
        else:
            found = await self._entities.entities.get_scope(access, kind, request.id)
            if found.memories <= 0:
                raise NotFound("there is no such entity", reason=Reason.RESOURCE_NOT_FOUND)
            shown = ListedEntity(
                kind, found.value, "", found.memories, found.first_activity, found.last_activity
            )
            response = pb.GetEntityResponse(entity=_to_summary(shown))
            memories = await self._of(access, Scope(**{kind: request.id}), request.memory_limit)
        for memory in memories:
            write_memory(memory, response.memories.add())
        return response

    async def _naming(self, access: Access, name: str, limit: int) -> list[Memory]:
        if not limit:
            return []
        ids = await self._entities.entities.memory_ids(access, name, limit=limit)
        found = await self._entities.memories.hydrate(access, ids, Selection())
        return [found[memory_id] for memory_id in ids if memory_id in found]

    async def _of(self, access: Access, scope: Scope, limit: int) -> list[Memory]:
        if not limit:
            return []
        page = await self._entities.memories.list(access, Selection(scope), page_size=limit)
        return list(page.memories)

    async def DeleteEntity(self, request: pb.DeleteEntityRequest, call: Call) -> pb.DeleteEntityResponse:
        """See the contract. One that is not there is deleted at once: the operation deletes nothing."""
        access = access_of(call.caller)
        key = request_key(call, request.request_id, request)
        if key is not None and (answer := await self._entities.stored_answer(access, key)) is not None:
            return pb.DeleteEntityResponse.FromString(answer)
        scope = Scope(**{_KINDS[request.kind]: request.id})
        async with self._entities.write(access, Actor(call.caller.key_id, call.rpc), key) as write:
            if write.stored_answer is not None:
                return pb.DeleteEntityResponse.FromString(write.stored_answer)
            operation = await write.enqueue(DELETE_ENTITY, b"", scope=scope)
            event = audit_event(call, f"operations/{operation.id}", access.project_id, "accepted")
            await write.run(self._entities.audit.appending(event))
            response = pb.DeleteEntityResponse(operation=to_operation(operation))
            write.answer(response.SerializeToString(), shows_memories=False)
        return response


class EntityDeleter:
    """Does DeleteEntity, piece by piece. The memories can be restored within their retention."""

    def __init__(self, record: Record, applier: Applier) -> None:
        self._record = record
        self._applier = applier

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        """Deletes what is left. How many are done is committed with each piece."""
        operation = claim.operation
        access, selection = Access(operation.project_id), Selection(operation.scope, show_superseded=True)
        actor = Actor(operation.actor_key, f"operations/{operation.id}")
        done = int(operation.checkpoint or b"0")
        while True:
            async with self._record.write(access, actor) as write:
                found = await write.select(selection, limit=PIECE)
                for memory in found:
                    write.delete(memory.id, reason="DeleteEntity")
                done += len(found)
                if len(found) < PIECE:
                    result = operation_pb2.DeleteMemoriesResult(deleted_count=done)
                    write.complete(claim, result.SerializeToString())
                else:
                    write.checkpoint(claim, checkpoint=str(done).encode(), done=done)
            await self._applier.apply(access.project_id, write.versions, {})
            progress.done = done
            if len(found) < PIECE:
                return None


def _to_summary(entity: ListedEntity) -> entity_pb2.EntitySummary:
    message = entity_pb2.EntitySummary(
        kind=_WIRE_KINDS[entity.kind],
        id=entity.id,
        type=entity.type,
        memory_count=entity.memories,
    )
    set_timestamp(message.create_time, entity.create_time)
    set_timestamp(message.last_activity_time, entity.last_activity)
    return message
