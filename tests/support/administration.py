"""The AdminService in the test's own process: a real record, a real gRPC server, no index and no models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from mnemon.v1 import admin_service_pb2
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon_service.admin.audit_rpcs import AuditRpcs
from mnemon_service.admin.key_rpcs import KeyRpcs
from mnemon_service.admin.project_rpcs import ProjectRpcs
from mnemon_service.model.api_key import ApiKey
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.record import Record
from mnemon_service.server.admission import Admission, NoLimits
from mnemon_service.server.boundary import Boundary
from mnemon_service.server.key_authenticator import KeyAuthenticator
from mnemon_service.server.runtime import Runtime, RuntimeOptions
from support.key_sender import bearer

SERVICE = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]


class Servicer(KeyRpcs, ProjectRpcs, AuditRpcs):
    """Keys, projects and the audit log; every other RPC answers UNIMPLEMENTED."""

    def __init__(self, record: Record) -> None:
        KeyRpcs.__init__(self, record.keys)
        ProjectRpcs.__init__(self, record)
        AuditRpcs.__init__(self, record.audit)


@dataclass
class Administration:
    """A running server."""

    record: Record
    address: str

    async def key(self, role: KeyRole, project_id: str = "default", **fields: object) -> str:
        """A new key's secret."""
        key = ApiKey("", "" if role is KeyRole.ROOT else project_id, role, **fields)  # type: ignore[arg-type]
        return (await self.record.keys.create(key, AuditEvent("CreateApiKey", ""))).secret

    async def metadata(self, role: KeyRole, project_id: str = "default") -> tuple[tuple[str, str], ...]:
        """Metadata with a new key."""
        return bearer(await self.key(role, project_id))

    def stub(self, channel: grpc.aio.Channel) -> AdminServiceStub:
        """A stub on a channel."""
        return AdminServiceStub(channel)


@asynccontextmanager
async def administration(
    directory: Path,
    *,
    admission: Admission | None = None,
    credentials: grpc.ServerCredentials | None = None,
    certificates: Mapping[str, Caller] | None = None,
    servicer: type[object] | None = None,
) -> AsyncIterator[Administration]:
    """A server on a fresh record with the project `default`."""
    record = await Record.open(directory / "mnemon.db")
    await record.projects.ensure("default")
    authenticator = KeyAuthenticator(record, certificates=certificates)
    boundary = Boundary(authenticator, admission or NoLimits())
    made = Servicer(record) if servicer is None else servicer()
    options = RuntimeOptions("127.0.0.1:0", 16 * 2**20, 16 * 2**10, credentials=credentials)
    runtime = Runtime(options, [(SERVICE, made)], boundary)
    try:
        yield Administration(record, await runtime.start())
    finally:
        await runtime.stop(0)
        await authenticator.close()
        await record.close()
