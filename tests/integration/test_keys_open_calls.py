"""A call that lasts ends with the key it was made with: on the replica that revokes, and on the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon_service.model.api_key import ApiKey
from mnemon_service.model.call import Call, Send
from mnemon_service.model.caller import KeyRole
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.keys import IssuedKey
from mnemon_service.record.record import Record
from mnemon_service.server.key_authenticator import KeyAuthenticator
from support.administration import administration
from support.boundary_server import BoundaryServer, boundary_server, details
from support.key_sender import bearer
from support.records import PROJECT

EVENT = AuditEvent("RevokeApiKey", "")
SECONDS = 1.2
"""A second, and what the call itself takes."""


class Lasting:
    """Calls that go on until they are cut."""

    async def WatchMemories(self, request: Any, call: Call, send: Send[Any]) -> None:  # noqa: N802
        await send(pb.WatchMemoriesResponse(sequence=1))
        await asyncio.Event().wait()

    async def ExportMemories(self, request: Any, call: Call, send: Send[Any]) -> None:  # noqa: N802
        while True:  # to a reader who takes one message only
            await send(pb.ExportMemoriesResponse(sequence=1, resume_token="t" * 60_000))

    async def ImportMemories(  # noqa: N802
        self, requests: AsyncIterator[pb.ImportMemoriesRequest], call: Call
    ) -> pb.ImportMemoriesResponse:
        return pb.ImportMemoriesResponse(operation_id=str(len([one async for one in requests])))


@asynccontextmanager
async def serving(record: Record) -> AsyncIterator[BoundaryServer]:
    """A replica."""
    authenticator = KeyAuthenticator(record)
    async with boundary_server(Lasting(), authenticator=authenticator) as server:
        yield server
    await authenticator.close()


async def new_key(record: Record, **fields: Any) -> IssuedKey:
    return await record.keys.create(ApiKey("", PROJECT, KeyRole.ADMIN, **fields), EVENT)


async def watch(server: BoundaryServer, secret: str) -> Any:
    """A watch that has begun."""
    call = server.stub.WatchMemories(pb.WatchMemoriesRequest(project_wide=True), metadata=bearer(secret))
    await call.read()
    return call


async def export(server: BoundaryServer, secret: str) -> Any:
    """An export of which nothing more is read."""
    call = server.stub.ExportMemories(pb.ExportMemoriesRequest(project_wide=True), metadata=bearer(secret))
    await call.read()
    return call


async def bring(server: BoundaryServer, secret: str) -> Any:
    """An import that has begun."""
    call = server.stub.ImportMemories(metadata=bearer(secret))
    await call.write(pb.ImportMemoriesRequest(options=pb.ImportOptions(request_id="one")))
    await call.initial_metadata()
    return call


async def end_of(call: Any) -> grpc.aio.AioRpcError:
    """How a call ended, whatever it still had to say."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async with asyncio.timeout(10):
            while True:
                await (call.read() if hasattr(call, "read") else call)
    return raised.value


OPENED = {"WatchMemories": watch, "ExportMemories": export, "ImportMemories": bring}


@pytest.mark.parametrize("replica", ["here", "elsewhere"])
@pytest.mark.parametrize("opened", OPENED.values(), ids=OPENED)
async def test_a_call_that_lasts_ends_within_a_second_of_its_keys_revocation(
    record: Record,
    tmp_path: Path,
    replica: str,
    opened: Callable[[BoundaryServer, str], Awaitable[Any]],
) -> None:
    other = await Record.open(tmp_path / "mnemon.db")
    async with serving(record if replica == "here" else other) as server:
        ending, staying = await new_key(record), await new_key(record)
        call, bystander = await opened(server, ending.secret), await watch(server, staying.secret)
        await record.keys.revoke(ending.key.id, PROJECT, EVENT)
        begun = time.monotonic()
        await server.ended.one.wait()
        assert time.monotonic() - begun < SECONDS
        failed = await end_of(call)
        assert failed.code() is grpc.StatusCode.UNAUTHENTICATED
        assert details(failed).reason == "API_KEY_REVOKED"
        assert not bystander.done(), "other keys' calls go on"
        bystander.cancel()
    await other.close()


async def test_a_call_that_lasts_ends_when_its_keys_time_is_over(record: Record) -> None:
    async with serving(record) as server:
        soon = datetime.now(UTC) + timedelta(seconds=0.4)
        failed = await end_of(await watch(server, (await new_key(record, expire_time=soon)).secret))
        assert 0 <= (datetime.now(UTC) - soon).total_seconds() < SECONDS
        assert details(failed).reason == "API_KEY_EXPIRED"


async def test_a_key_that_was_replaced_keeps_its_calls_until_the_overlap_ends(record: Record) -> None:
    async with serving(record) as server:
        old = await new_key(record)
        call = await watch(server, old.secret)
        new, ending = await record.keys.rotate(old.key.id, PROJECT, timedelta(seconds=0.4), EVENT)
        going_on = await watch(server, new.secret)
        failed = await end_of(call)
        assert ending.expire_time is not None
        assert ending.expire_time <= datetime.now(UTC)
        assert details(failed).reason == "API_KEY_EXPIRED"
        assert not going_on.done()
        going_on.cancel()


async def test_waiting_for_an_operation_ends_with_the_key(tmp_path: Path) -> None:
    begun = asyncio.Event()

    class Waiting:
        async def WaitOperation(self, request: Any, call: Call) -> Any:  # noqa: N802
            begun.set()
            await asyncio.Event().wait()

    async with (
        administration(tmp_path, servicer=Waiting) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        key = await server.record.keys.create(ApiKey("", "default", KeyRole.WRITER), EVENT)
        request = admin.WaitOperationRequest(id="0192f0c1-0000-7000-8000-000000000001")
        waiting: Any = AdminServiceStub(channel).WaitOperation(request, metadata=bearer(key.secret))
        ended = asyncio.create_task(end_of(waiting))
        await asyncio.wait_for(begun.wait(), 10)
        await server.record.keys.revoke(key.key.id, "default", EVENT)
        assert details(await asyncio.wait_for(ended, SECONDS)).reason == "API_KEY_REVOKED"
