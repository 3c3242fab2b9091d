"""Accounts: what was used, and which calls were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from mnemon.v1 import accounting_pb2
from mnemon.v1 import admin_service_pb2 as pb
from mnemon_service.model.call import Call
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.record.record import Record
from mnemon_service.record.request_log import LoggedCall
from mnemon_service.record.selection import DEFAULT_PAGE_SIZE, Selection
from mnemon_service.record.usage import UsageKey, Used
from mnemon_service.wire.scopes import access_of, operations_access
from mnemon_service.wire.times import from_timestamp, set_timestamp

DEFAULT_SPAN: Final = timedelta(days=30)
MAXIMUM_DAYS: Final = 400
"""Days that one answer can span: a year and what it is compared with."""
_DAY: Final = timedelta(days=1)


class AccountRpcs:
    """GetUsage, ListRequests."""

    def __init__(self, record: Record) -> None:
        self._accounts = record

    async def GetUsage(self, request: pb.GetUsageRequest, call: Call) -> pb.GetUsageResponse:
        """See the contract. Figures are seconds old. What belongs to no scope has no owner."""
        access = access_of(call.caller)
        first, last = _days(request)
        rows = await self._accounts.usage.read(
            access.project_id, first, last, by_owner=request.by_scope, by_model=request.by_model
        )
        count = await self._accounts.memories.count(access, Selection())
        return pb.GetUsageResponse(rows=[_to_row(*row) for row in rows], memory_count=count)

    async def ListRequests(self, request: pb.ListRequestsRequest, call: Call) -> pb.ListRequestsResponse:
        """See the contract. Root sees the calls of root keys."""
        since = None
        if request.HasField("start_time"):
            since = from_timestamp(request.start_time, "start_time")
        found, token = await self._accounts.request_log.list(
            operations_access(call.caller).project_id,
            start_time=since,
            method=request.method,
            code=request.code,
            page_size=request.page_size or DEFAULT_PAGE_SIZE,
            page_token=request.page_token,
        )
        return pb.ListRequestsResponse(requests=map(_to_entry, found), next_page_token=token)


def _days(request: pb.GetUsageRequest) -> tuple[str, str]:
    """The first and the last day. Raises `InvalidArgument` for a span that ends before it begins or is
    too long."""
    now = datetime.now(UTC)
    end = from_timestamp(request.end_time, "end_time") if request.HasField("end_time") else None
    if end is not None and end.year < now.year - 100:
        raise InvalidArgument.of("end_time", "must lie within the last hundred years")
    start = (end or now) - DEFAULT_SPAN
    if request.HasField("start_time"):
        start = from_timestamp(request.start_time, "start_time")
    # The day of `end_time` is left out; without it, today is in.
    last = (end - _DAY if end is not None else now).date()
    if last < start.date():
        raise InvalidArgument.of("end_time", "must lie at least a day after start_time")
    if (last - start.date()).days >= MAXIMUM_DAYS:
        raise InvalidArgument.of("start_time", f"must lie at most {MAXIMUM_DAYS} days before end_time")
    return start.date().isoformat(), last.isoformat()


def _to_row(key: UsageKey, used: Used) -> accounting_pb2.UsageRow:
    return accounting_pb2.UsageRow(
        day=key.day,
        owner=key.owner,
        model=key.model,
        calls=used.calls,
        failed_calls=used.failed_calls,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        memories_added=used.memories_added,
        searches=used.searches,
    )


def _to_entry(call: LoggedCall) -> accounting_pb2.RequestLogEntry:
    entry = accounting_pb2.RequestLogEntry(
        id=call.request_id,
        method=call.method,
        code=call.code,
        reason=call.reason,
        key_id=call.key_id,
        milliseconds=call.milliseconds,
    )
    set_timestamp(entry.start_time, call.start_time)
    return entry
