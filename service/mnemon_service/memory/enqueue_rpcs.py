"""EnqueueMemories, and the worker that does what it puts into the queue."""

from __future__ import annotations

from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.add_messages import from_request, to_result
from mnemon_service.memory.adding import Adder
from mnemon_service.memory.changing import Changer
from mnemon_service.memory.planned import AddOutcome
from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.memory import Actor
from mnemon_service.model.stages import Stages
from mnemon_service.record.operation import Claim
from mnemon_service.record.selection import Access
from mnemon_service.record.worker import Progress
from mnemon_service.record.writing import Write
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.operations import ADD_MEMORIES, to_operation
from mnemon_service.wire.scopes import to_scope


class EnqueueRpcs:
    """Adding in the background."""

    def __init__(self, changer: Changer) -> None:
        self._enqueuing = changer

    async def EnqueueMemories(
        self, request: pb.EnqueueMemoriesRequest, call: Call
    ) -> pb.EnqueueMemoriesResponse:
        """See the contract. What is wrong with the add is said now, not later."""
        if request.add.dry_run:
            raise InvalidArgument.of("add.dry_run", "must be false: a plan is answered by AddMemories")
        key = request_key(call, request.add.request_id, request)
        add = from_request(request.add, call.caller)
        payload = pb.AddMemoriesRequest()
        payload.CopyFrom(request.add)
        to_scope(add.scope, payload.scope)

        async def work(write: Write) -> pb.EnqueueMemoriesResponse:
            operation = await write.enqueue(
                ADD_MEMORIES, payload.SerializeToString(), scope=add.scope, total=len(add.messages)
            )
            return pb.EnqueueMemoriesResponse(operation=to_operation(operation))

        return await self._enqueuing.change(call, key, pb.EnqueueMemoriesResponse, work)


class AddWorker:
    """Does the adds of the queue."""

    def __init__(self, adder: Adder) -> None:
        self._adder = adder

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        """Adds as if it were the moment of the call, so that "yesterday" is the caller's and no time to
        live is lost in the queue. The result is committed together with the effect: a second run cannot
        add twice."""
        operation = claim.operation
        request = pb.AddMemoriesRequest.FromString(operation.payload)
        caller = Caller(operation.project_id, KeyRole.WRITER, operation.actor_key)
        stages = Stages()

        def encode(outcome: AddOutcome) -> bytes:
            return to_result(outcome, stages).SerializeToString()

        await self._adder.add(
            Access(operation.project_id),
            Actor(operation.actor_key, f"operations/{operation.id}"),
            from_request(request, caller, operation.create_time),
            stages,
            encode=encode,
            claim=claim,
        )
        return None
