"""ImportMemories: a stream of rows, stored as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.import_operation import ImportOperation
from mnemon_service.memory.importing import Import, Importer, in_pieces
from mnemon_service.model.call import Call
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.scope import Scope
from mnemon_service.record.operations import Operations
from mnemon_service.wire.scopes import access_of, write_scope

Requests = AsyncIterator[pb.ImportMemoriesRequest]


class ImportRpcs:
    """ImportMemories."""

    def __init__(self, importer: Importer, operations: Operations) -> None:
        self._importer = importer
        self._import_operations = operations

    async def ImportMemories(self, requests: Requests, call: Call) -> pb.ImportMemoriesResponse:
        """See the contract. No row is read from the stream before those ahead of it are stored, so a
        client that is faster waits (gRPC's flow control), and memory stays flat."""
        access_of(call.caller)  # a root key is refused before anything is read
        first = await anext(requests, None)
        if first is None or first.WhichOneof("content") != "options":
            raise InvalidArgument.of("options", "must come first in the stream")
        job = Import(call, first.options, _default_scope(first.options, call))
        if first.options.dry_run:
            async for piece in in_pieces(_rows_only(requests)):
                await self._importer.try_out(job, piece)
            return pb.ImportMemoriesResponse(result=job.result)
        async with ImportOperation(self._import_operations, call, job.scope) as operation:
            async for piece in in_pieces(_rows_only(requests)):
                await self._importer.store(job, piece, operation)
            await operation.succeed(job.result.SerializeToString())
        return pb.ImportMemoriesResponse(result=job.result, operation_id=operation.id)


def _default_scope(options: pb.ImportOptions, call: Call) -> Scope:
    """The options' scope with what the key is bound to; empty if neither names an id."""
    bound = call.caller.bound_scope
    if not options.HasField("scope") and bound.is_empty:
        return bound
    return write_scope(options.scope, call.caller)


async def _rows_only(requests: Requests) -> Requests:
    async for request in requests:
        if request.WhichOneof("content") != "rows":
            raise InvalidArgument.of("options", "must come once, at the beginning of the stream")
        yield request
