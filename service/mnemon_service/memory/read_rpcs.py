"""Reading memories by id, in lists, and their history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.model.call import Call
from mnemon_service.record.record import Record
from mnemon_service.record.selection import DEFAULT_PAGE_SIZE, AsOf, Order, OrderBy, Selection
from mnemon_service.wire.filters import from_filter
from mnemon_service.wire.memories import to_memory, to_version
from mnemon_service.wire.scopes import access_of, from_as_of, read_scope

PAGE_BYTES: Final = 3 * 1_048_576
"""What a page may take: clients that set no limit of their own receive messages of up to 4 MiB."""

Page = TypeVar("Page", pb.ListMemoriesResponse, pb.ListVersionsResponse)

_ORDERS = {
    pb.LIST_ORDER_UNSPECIFIED: Order(),
    pb.LIST_ORDER_CREATE_TIME_DESC: Order(),
    pb.LIST_ORDER_CREATE_TIME_ASC: Order(descending=False),
    pb.LIST_ORDER_UPDATE_TIME_DESC: Order(OrderBy.UPDATE_TIME),
    pb.LIST_ORDER_UPDATE_TIME_ASC: Order(OrderBy.UPDATE_TIME, descending=False),
}


class ReadRpcs:
    """GetMemory, BatchGetMemories, ListMemories, ListVersions."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def GetMemory(self, request: pb.GetMemoryRequest, call: Call) -> pb.GetMemoryResponse:
        """See the contract."""
        with call.stages.stage("hydrate"):
            memory = await self._record.memories.get(
                access_of(call.caller), request.id.lower(), as_of=_as_of(request)
            )
        return pb.GetMemoryResponse(memory=to_memory(memory))

    async def BatchGetMemories(
        self, request: pb.BatchGetMemoriesRequest, call: Call
    ) -> pb.BatchGetMemoriesResponse:
        """See the contract."""
        ids = [memory_id.lower() for memory_id in request.ids]
        with call.stages.stage("hydrate"):
            selection = Selection(show_superseded=True, as_of=_as_of(request))
            found = await self._record.memories.hydrate(access_of(call.caller), ids, selection)
        return pb.BatchGetMemoriesResponse(
            memories=[to_memory(found[memory_id]) for memory_id in ids if memory_id in found],
            missing_ids=[memory_id for memory_id in ids if memory_id not in found],
        )

    async def ListMemories(self, request: pb.ListMemoriesRequest, call: Call) -> pb.ListMemoriesResponse:
        """See the contract."""
        selection = Selection(
            scope=read_scope(request.scope, call.caller, project_wide=request.project_wide),
            filter=from_filter(request.filter) if request.HasField("filter") else None,
            show_superseded=request.show_superseded,
            show_deleted=request.show_deleted,
            as_of=_as_of(request),
        )

        async def read(page_size: int) -> pb.ListMemoriesResponse:
            page = await self._record.memories.list(
                access_of(call.caller),
                selection,
                order=_ORDERS[request.order],
                page_size=page_size,
                page_token=request.page_token,
            )
            return pb.ListMemoriesResponse(
                memories=[to_memory(memory) for memory in page.memories],
                next_page_token=page.next_page_token,
                sequence=page.sequence,
            )

        with call.stages.stage("hydrate"):
            return await _bounded(read, request.page_size)

    async def ListVersions(self, request: pb.ListVersionsRequest, call: Call) -> pb.ListVersionsResponse:
        """See the contract."""

        async def read(page_size: int) -> pb.ListVersionsResponse:
            versions, token = await self._record.log.versions_of(
                access_of(call.caller),
                request.memory_id.lower(),
                newest_first=False,
                page_size=page_size,
                page_token=request.page_token,
                show_deleted=True,
            )
            return pb.ListVersionsResponse(
                versions=[to_version(version) for version in versions], next_page_token=token
            )

        with call.stages.stage("hydrate"):
            return await _bounded(read, request.page_size)


async def _bounded(read: Callable[[int], Awaitable[Page]], asked: int) -> Page:
    """A page that any client can receive: with fewer items than were asked for if they are large (AIP-158
    lets a page be short). The item after it begins the next one."""
    page_size = asked or DEFAULT_PAGE_SIZE
    while True:
        page = await read(page_size)
        size = page.ByteSize()
        if size <= PAGE_BYTES or page_size == 1:
            return page
        page_size = max(1, page_size * PAGE_BYTES // (2 * size))


def _as_of(
    request: pb.GetMemoryRequest | pb.BatchGetMemoriesRequest | pb.ListMemoriesRequest,
) -> AsOf | None:
    return from_as_of(request.as_of) if request.HasField("as_of") else None
