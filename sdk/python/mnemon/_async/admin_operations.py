"""Work in the background."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mnemon import _values as values
from mnemon._async.paging import AsyncPager
from mnemon._async.transport import AsyncTransport
from mnemon._convert import enums
from mnemon._convert.operation import read_operation
from mnemon._page import Page
from mnemon._requests import at_page
from mnemon._types import Operation, OperationKind, OperationState
from mnemon.v1 import admin_service_pb2

LONGEST_POLL = 20.0
"""Seconds that one call waits on the server; a longer wait is several calls."""
POLL_MARGIN = 10.0
"""Seconds beyond its wait that a poll's answer may take."""


class AsyncOperations:
    """Work in the background (role writer)."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        states: Sequence[OperationState | str] = (),
        kinds: Sequence[OperationKind | str] = (),
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> AsyncPager[Operation]:
        """Operations, newest first, of the given states and kinds: iterate over them, or over `pages()`."""
        request = admin_service_pb2.ListOperationsRequest(
            states=[enums.OPERATION_STATE.write(state) for state in states],
            kinds=[enums.OPERATION_KIND.write(kind) for kind in kinds],
            page_size=page_size,
        )

        async def fetch(token: str) -> Page[Operation]:
            page = at_page(request, token)
            answer = await self._transport.unary(self._transport.admin.ListOperations, page, timeout)
            return Page(tuple(read_operation(item) for item in answer.operations), answer.next_page_token)

        return AsyncPager(fetch, page_token)

    async def get(self, operation_id: str, *, timeout: float | None = None) -> Operation:
        """One operation as it is."""
        request = admin_service_pb2.GetOperationRequest(id=operation_id)
        answer = await self._transport.unary(self._transport.admin.GetOperation, request, timeout)
        return read_operation(answer.operation)

    async def cancel(self, operation_id: str, *, timeout: float | None = None) -> Operation:
        """The operation, CANCELLED, or RUNNING until its worker notices. What was done stands.

        Raises:
            FailedPreconditionError: It has ended already (OPERATION_NOT_CANCELLABLE).
        """
        request = admin_service_pb2.CancelOperationRequest(id=operation_id)
        answer = await self._transport.unary(self._transport.admin.CancelOperation, request, timeout)
        return read_operation(answer.operation)

    async def wait(self, operation_id: str, *, timeout: float | None = None) -> Operation:
        """The operation once it has ended, however it ended: look at its `state`, `error` and `result`.

        Args:
            operation_id: The operation.
            timeout: Seconds to wait at most, after which it is answered as it is then; without it, as
                long as it takes.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            seconds = LONGEST_POLL if end is None else max(0.0, min(LONGEST_POLL, end - time.monotonic()))
            request = admin_service_pb2.WaitOperationRequest(
                id=operation_id, timeout=values.write_duration(seconds)
            )
            method = self._transport.admin.WaitOperation
            answer = await self._transport.unary(method, request, seconds + POLL_MARGIN)
            operation = read_operation(answer.operation)
            if operation.done or (end is not None and time.monotonic() >= end):
                return operation
