"""Operations: what works in the background, for those who asked for it."""

from __future__ import annotations

from typing import Final

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1 import operation_pb2
from mnemon_service.model.call import Call
from mnemon_service.record.operation import OperationState
from mnemon_service.record.operations import Operations
from mnemon_service.record.selection import DEFAULT_PAGE_SIZE
from mnemon_service.wire.operations import TYPES, to_operation
from mnemon_service.wire.scopes import operations_access
from mnemon_service.wire.times import from_duration

WAIT_SECONDS: Final = 30.0
"""How long WaitOperation waits if the caller does not say."""
SPARE_SECONDS: Final = 0.5
"""WaitOperation answers so long before the caller's deadline, so that the answer still arrives."""


class OperationRpcs:
    """ListOperations, GetOperation, CancelOperation, WaitOperation."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def ListOperations(
        self, request: pb.ListOperationsRequest, call: Call
    ) -> pb.ListOperationsResponse:
        """See the contract."""
        found, token = await self._operations.list(
            operations_access(call.caller),
            states=[_STATES[state] for state in request.states if state],
            types=[TYPES[kind] for kind in request.kinds if kind],
            page_size=request.page_size or DEFAULT_PAGE_SIZE,
            page_token=request.page_token,
        )
        return pb.ListOperationsResponse(
            operations=[to_operation(operation) for operation in found], next_page_token=token
        )

    async def GetOperation(self, request: pb.GetOperationRequest, call: Call) -> pb.GetOperationResponse:
        """See the contract."""
        found = await self._operations.get(operations_access(call.caller), request.id.lower())
        return pb.GetOperationResponse(operation=to_operation(found))

    async def CancelOperation(
        self, request: pb.CancelOperationRequest, call: Call
    ) -> pb.CancelOperationResponse:
        """See the contract."""
        found = await self._operations.request_cancel(operations_access(call.caller), request.id.lower())
        return pb.CancelOperationResponse(operation=to_operation(found))

    async def WaitOperation(self, request: pb.WaitOperationRequest, call: Call) -> pb.WaitOperationResponse:
        """See the contract."""
        timeout = WAIT_SECONDS
        if request.HasField("timeout"):
            timeout = from_duration(request.timeout, "timeout").total_seconds()
        if call.time_remaining is not None:
            timeout = max(0.0, min(timeout, call.time_remaining - SPARE_SECONDS))
        found = await self._operations.wait(operations_access(call.caller), request.id.lower(), timeout)
        return pb.WaitOperationResponse(operation=to_operation(found))


_STATES: Final = {
    operation_pb2.OperationState.Value(f"OPERATION_STATE_{state}"): state for state in OperationState
}
