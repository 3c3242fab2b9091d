"""EraseSubject: accepted at once, done in the background."""

from __future__ import annotations

from mnemon.v1 import admin_service_pb2 as pb
from mnemon_service.admin.author import audit_event
from mnemon_service.model.call import Call
from mnemon_service.model.errors import InvalidArgument, Reason
from mnemon_service.model.memory import Actor
from mnemon_service.record.record import Record
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.operations import ERASE_SUBJECT, to_operation
from mnemon_service.wire.scopes import SCOPE_NEEDED, access_of, from_scope


class ErasureRpcs:
    """EraseSubject."""

    def __init__(self, record: Record) -> None:
        self._subjects = record

    async def EraseSubject(self, request: pb.EraseSubjectRequest, call: Call) -> pb.EraseSubjectResponse:
        """See the contract. The audit log names the operation and the kinds of ids, not the ids."""
        access, subject = access_of(call.caller), from_scope(request.subject)
        if subject.is_empty:
            raise InvalidArgument.of("subject", SCOPE_NEEDED, Reason.SCOPE_REQUIRED)
        key = request_key(call, request.request_id, request)
        if key is not None and (answer := await self._subjects.stored_answer(access, key)) is not None:
            return pb.EraseSubjectResponse.FromString(answer)
        async with self._subjects.write(access, Actor(call.caller.key_id, call.rpc), key) as write:
            if write.stored_answer is not None:
                return pb.EraseSubjectResponse.FromString(write.stored_answer)
            operation = await write.enqueue(ERASE_SUBJECT, b"", scope=subject)
            detail = f"accepted, by {', '.join(subject.named())}"
            event = audit_event(call, f"operations/{operation.id}", access.project_id, detail)
            await write.run(self._subjects.audit.appending(event))
            response = pb.EraseSubjectResponse(operation=to_operation(operation))
            write.answer(response.SerializeToString(), shows_memories=False)
        return response
