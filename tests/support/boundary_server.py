"""The boundary in the test's own process: a real gRPC server whose servicers a test writes down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from mnemon.v1 import memory_service_pb2
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.server.admission import NoLimits
from mnemon_service.server.authentication import Authenticator, Metadata
from mnemon_service.server.boundary import Boundary, EndedCall
from mnemon_service.server.open_calls import SLOW_SECONDS
from mnemon_service.server.runtime import Runtime, RuntimeOptions
from support.records import PROJECT

SERVICE = memory_service_pb2.DESCRIPTOR.services_by_name["MemoryService"]


class Everybody:
    """Takes every caller for one of the project."""

    def __init__(self, role: KeyRole = KeyRole.ADMIN) -> None:
        self.caller = Caller(PROJECT, role, "key-1")

    async def authenticate(self, metadata: Metadata, peer_identities: tuple[str, ...]) -> Caller:
        """As `Authenticator.authenticate`."""
        return self.caller

    async def confirm(self, caller: Caller) -> None:
        """As `Authenticator.confirm`."""


class Ended:
    """Keeps what the boundary says of calls that ended."""

    def __init__(self) -> None:
        self.calls: list[EndedCall] = []
        self.one = asyncio.Event()
        """Set once a call has ended."""

    def call_ended(self, ended: EndedCall) -> None:
        """As `CallObserver.call_ended`."""
        self.calls.append(ended)
        self.one.set()


@dataclass
class BoundaryServer:
    """A running server and a client of it."""

    address: str
    stub: Any
    """A `MemoryServiceStub`, whose types are those of blocking calls."""
    channel: grpc.aio.Channel
    boundary: Boundary
    runtime: Runtime
    ended: Ended


@asynccontextmanager
async def boundary_server(
    servicer: object,
    *,
    authenticator: Authenticator | None = None,
    maximum_message_bytes: int = 4 * 2**20,
    slow_seconds: float = SLOW_SECONDS,
) -> AsyncIterator[BoundaryServer]:
    """A server whose MemoryService is `servicer`."""
    ended = Ended()
    boundary = Boundary(authenticator or Everybody(), NoLimits(), (ended,), slow_seconds=slow_seconds)
    options = RuntimeOptions("127.0.0.1:0", maximum_message_bytes, 16 * 2**10)
    runtime = Runtime(options, [(SERVICE, servicer)], boundary)
    address = await runtime.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield BoundaryServer(address, MemoryServiceStub(channel), channel, boundary, runtime, ended)
    finally:
        await runtime.stop(0)


@dataclass(frozen=True)
class Details:
    """What an error carries."""

    info: error_details_pb2.ErrorInfo
    fields: tuple[str, ...]
    retry_seconds: float | None

    @property
    def reason(self) -> str:
        """The stable reason."""
        return str(self.info.reason)


def details(error: grpc.aio.AioRpcError) -> Details:
    """Reads `grpc-status-details-bin`."""
    trailing: dict[str, Any] = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    found = [detail.Unpack(info) or detail.Unpack(bad) or detail.Unpack(retry) for detail in status.details]
    assert all(found)
    seconds = retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None
    return Details(info, tuple(one.field for one in bad.field_violations), seconds)
