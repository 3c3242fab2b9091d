"""What runs, and care for it.

Made from mnemon/_async by tools/generate_sync.py; never edited.
"""

from __future__ import annotations

from mnemon._convert.admin_service import (
    read_get_server_info_response,
    read_self_test_isolation_response,
    read_verify_index_response,
)
from mnemon._convert.operation import read_operation
from mnemon._metadata import new_request_id
from mnemon._requests import ScopeIds
from mnemon._sync.transport import Transport
from mnemon._types import (
    GetServerInfoResponse,
    Operation,
    SelfTestIsolationResponse,
    VerifyIndexResponse,
)
from mnemon.v1 import admin_service_pb2


class Server:
    """What runs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def info(self, *, timeout: float | None = None) -> GetServerInfoResponse:
        """Version, database, index, models, and warnings that operators should know (role reader)."""
        request = admin_service_pb2.GetServerInfoRequest()
        answer = self._transport.unary(self._transport.admin.GetServerInfo, request, timeout)
        return read_get_server_info_response(answer)

    def self_test_isolation(self, *, timeout: float | None = None) -> SelfTestIsolationResponse:
        """What came of trying, on this running server, to reach one project's data with another's key
        (role root).
        """
        request = admin_service_pb2.SelfTestIsolationRequest()
        answer = self._transport.unary(self._transport.admin.SelfTestIsolation, request, timeout)
        return read_self_test_isolation_response(answer)


class Index:
    """Care for the index."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def verify(self, *, repair: bool = False, timeout: float | None = None) -> VerifyIndexResponse:
        """What the index holds otherwise than the record; with `repair` it is mended."""
        request = admin_service_pb2.VerifyIndexRequest(repair=repair)
        answer = self._transport.unary(self._transport.admin.VerifyIndex, request, timeout)
        return read_verify_index_response(answer)

    def rebuild(self, *, timeout: float | None = None) -> Operation:
        """The operation that makes the index anew beside the old one and swaps (role root)."""
        request = admin_service_pb2.RebuildIndexRequest()
        answer = self._transport.unary(self._transport.admin.RebuildIndex, request, timeout, safe=False)
        return read_operation(answer.operation)


class Subjects:
    """Erasure of everything that is known of somebody."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def erase(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Operation:
        """The operation that erases everything stored under all the given ids: memories, versions,
        messages, entities, stored answers and index rows. Its result is a signed receipt. Nothing of it
        can be restored.
        """
        request = admin_service_pb2.EraseSubjectRequest(
            subject=ScopeIds(user_id, agent_id, app_id, run_id).message(),
            request_id=request_id or new_request_id(),
        )
        answer = self._transport.unary(self._transport.admin.EraseSubject, request, timeout)
        return read_operation(answer.operation)
