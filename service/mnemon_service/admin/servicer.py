"""AdminService: each group of RPCs lives in the file of its subject; this one puts them together."""

from __future__ import annotations

from mnemon_service.admin.operation_rpcs import OperationRpcs
from mnemon_service.record.record import Record


class AdminServicer(OperationRpcs):
    """Implements the contract's AdminService. RPCs it lacks answer UNIMPLEMENTED."""

    def __init__(self, record: Record) -> None:
        OperationRpcs.__init__(self, record.operations)
