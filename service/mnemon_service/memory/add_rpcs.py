"""AddMemories."""

from __future__ import annotations

from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.add_messages import from_request, to_response
from mnemon_service.memory.adding import Adder
from mnemon_service.memory.planned import AddOutcome
from mnemon_service.model.call import Call
from mnemon_service.model.memory import Actor
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.scopes import access_of


class AddRpcs:
    """Remembering what was said."""

    def __init__(self, adder: Adder) -> None:
        self._adder = adder

    async def AddMemories(self, request: pb.AddMemoriesRequest, call: Call) -> pb.AddMemoriesResponse:
        """See the contract."""
        add = from_request(request, call.caller)

        def encode(outcome: AddOutcome) -> bytes:
            return to_response(outcome, call.stages).SerializeToString()

        answer = await self._adder.add(
            access_of(call.caller),
            Actor(call.caller.key_id, call.rpc),
            add,
            call.stages,
            key=None if add.dry_run else request_key(call, request.request_id, request),
            encode=encode,
        )
        if isinstance(answer, bytes):
            return pb.AddMemoriesResponse.FromString(answer)
        return to_response(answer, call.stages)
