"""Whom and what memories are about."""

from __future__ import annotations

from mnemon._async.paging import AsyncPager
from mnemon._async.transport import AsyncTransport
from mnemon._convert import enums
from mnemon._convert.admin_service import read_get_entity_response
from mnemon._convert.entity import read_entity_summary
from mnemon._convert.operation import read_operation
from mnemon._metadata import new_request_id
from mnemon._page import Page
from mnemon._requests import ScopeIds, at_page
from mnemon._types import EntityKind, EntityOrder, EntitySummary, GetEntityResponse, Operation
from mnemon.v1 import admin_service_pb2


class AsyncEntities:
    """Users, agents, apps and runs with memories, and named things in them."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        kind: EntityKind | str | None = None,
        id_prefix: str = "",
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        order: EntityOrder | str | None = None,
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> AsyncPager[EntitySummary]:
        """Entities with their counts and last activity (role reader): iterate over them, or over `pages()`.

        Args:
            kind: USER, AGENT, APP, RUN or NAMED; the first four together if left out.
            id_prefix: Only those whose id begins so.
            user_id: For NAMED: only those named in memories of this scope.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            order: LAST_ACTIVITY_DESC (the default), ID_ASC or MEMORY_COUNT_DESC.
            page_size: Entities a page: 1 to 500, 50 if left out.
            page_token: Begins at the page that this token of another page names.
            timeout: Seconds for each page; the client's if left out.
        """
        request = admin_service_pb2.ListEntitiesRequest(
            kind=enums.ENTITY_KIND.write(kind),
            id_prefix=id_prefix,
            scope=ScopeIds(user_id, agent_id, app_id, run_id).message(),
            order=enums.ENTITY_ORDER.write(order),
            page_size=page_size,
        )

        async def fetch(token: str) -> Page[EntitySummary]:
            page = at_page(request, token)
            answer = await self._transport.unary(self._transport.admin.ListEntities, page, timeout)
            return Page(tuple(read_entity_summary(item) for item in answer.entities), answer.next_page_token)

        return AsyncPager(fetch, page_token)

    async def get(
        self,
        kind: EntityKind | str,
        entity_id: str,
        *,
        memory_limit: int = 0,
        timeout: float | None = None,
    ) -> GetEntityResponse:
        """One entity and its newest memories, as many as asked for (0 to 100)."""
        request = admin_service_pb2.GetEntityRequest(
            kind=enums.ENTITY_KIND.write(kind), id=entity_id, memory_limit=memory_limit
        )
        answer = await self._transport.unary(self._transport.admin.GetEntity, request, timeout)
        return read_get_entity_response(answer)

    async def delete(
        self,
        kind: EntityKind | str,
        entity_id: str,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Operation:
        """The operation that deletes a user, agent, app or run with all its memories."""
        request = admin_service_pb2.DeleteEntityRequest(
            kind=enums.ENTITY_KIND.write(kind), id=entity_id, request_id=request_id or new_request_id()
        )
        answer = await self._transport.unary(self._transport.admin.DeleteEntity, request, timeout)
        return read_operation(answer.operation)
