"""What was used, asked and changed.

Made from mnemon/_async by tools/generate_sync.py; never edited.
"""

from __future__ import annotations

from datetime import datetime

from mnemon import _values as values
from mnemon._convert.accounting import read_audit_entry, read_request_log_entry
from mnemon._convert.admin_service import read_get_usage_response, read_verify_audit_response
from mnemon._page import Page
from mnemon._requests import at_page
from mnemon._sync.paging import Pager
from mnemon._sync.transport import Transport
from mnemon._types import AuditEntry, GetUsageResponse, RequestLogEntry, VerifyAuditResponse
from mnemon.v1 import admin_service_pb2


class Usage:
    """What was used."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(
        self,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        by_scope: bool = False,
        by_model: bool = False,
        timeout: float | None = None,
    ) -> GetUsageResponse:
        """Calls, tokens and memories by day and, if asked, by owner and model.

        Args:
            start_time: From this day on, UTC; 30 days ago if left out.
            end_time: Up to and without this day; now if left out.
            by_scope: A row for each owner.
            by_model: A row for each model.
            timeout: Seconds for the call; the client's if left out.
        """
        request = admin_service_pb2.GetUsageRequest(
            start_time=None if start_time is None else values.write_time(start_time),
            end_time=None if end_time is None else values.write_time(end_time),
            by_scope=by_scope,
            by_model=by_model,
        )
        answer = self._transport.unary(self._transport.admin.GetUsage, request, timeout)
        return read_get_usage_response(answer)


class Requests:
    """The request log: method, code and time of each call, no content."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        start_time: datetime | None = None,
        method: str = "",
        code: str = "",
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> Pager[RequestLogEntry]:
        """Calls, newest first: iterate over them, or over `pages()`.

        Args:
            start_time: From this time on.
            method: Only of this RPC, as "MemoryService/AddMemories".
            code: Only with this code, as "NOT_FOUND".
            page_size: Calls a page: 1 to 500, 50 if left out.
            page_token: Begins at the page that this token of another page names.
            timeout: Seconds for each page; the client's if left out.
        """
        request = admin_service_pb2.ListRequestsRequest(
            start_time=None if start_time is None else values.write_time(start_time),
            method=method,
            code=code,
            page_size=page_size,
        )

        def fetch(token: str) -> Page[RequestLogEntry]:
            page = at_page(request, token)
            answer = self._transport.unary(self._transport.admin.ListRequests, page, timeout)
            items = tuple(read_request_log_entry(item) for item in answer.requests)
            return Page(items, answer.next_page_token)

        return Pager(fetch, page_token)


class Audit:
    """The audit log: who changed keys, settings, projects and webhooks."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, *, page_size: int = 0, page_token: str = "", timeout: float | None = None
    ) -> Pager[AuditEntry]:
        """Entries of the project, or, for root, of the whole server, newest first."""
        request = admin_service_pb2.ListAuditRequest(page_size=page_size)

        def fetch(token: str) -> Page[AuditEntry]:
            page = at_page(request, token)
            answer = self._transport.unary(self._transport.admin.ListAudit, page, timeout)
            return Page(tuple(read_audit_entry(item) for item in answer.entries), answer.next_page_token)

        return Pager(fetch, page_token)

    def verify(self, *, timeout: float | None = None) -> VerifyAuditResponse:
        """Whether the log's hash chain is intact, and where it breaks (role root)."""
        request = admin_service_pb2.VerifyAuditRequest()
        answer = self._transport.unary(self._transport.admin.VerifyAudit, request, timeout)
        return read_verify_audit_response(answer)
