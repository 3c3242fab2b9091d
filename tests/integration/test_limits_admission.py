"""Limits as callers meet them: through gRPC, with keys and settings of real projects."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import ResourceExhausted
from mnemon_service.model.settings import Limits, ProjectSettings
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.record import Record
from mnemon_service.server.limiter import Limiter
from mnemon_service.server.quotas import Quotas
from support.administration import Administration, administration
from support.key_sender import bearer

ROUNDS = 6
TURN = 300
"""Calls measured in one turn; shorter ones would see what a stopped flooder makes up for, and little else."""
SETTLE = 60
"""Calls before each turn."""
ADMITTED = 5.0
"""Requests a second that the flooding project may make: what is admitted takes its time like all calls do, so
that at 20 a second one call in 20 of another project meets one, flood or no flood."""


class HeldAdmission:
    """A limiter that is made once the record is there."""

    def __init__(self) -> None:
        self.limiter: Limiter | None = None

    def admitted(self, call: Call, *, streaming: bool) -> Any:
        assert self.limiter is not None
        return self.limiter.admitted(call, streaming=streaming)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Administration]:
    admission = HeldAdmission()
    async with administration(tmp_path, admission=admission) as running:
        quotas = Quotas(running.record)
        admission.limiter = Limiter(running.record.settings, quotas, maximum_calls=50)
        yield running
        await quotas.close()


@pytest.fixture
async def stub(server: Administration) -> AsyncIterator[AdminServiceStub]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield AdminServiceStub(channel)


async def limit_project(record: Record, limits: Limits) -> None:
    """Sets the limits of the default project."""

    def change(before: ProjectSettings) -> ProjectSettings:
        return replace(before, limits=limits)

    await record.settings.update("default", change, AuditEvent("UpdateSettings", ""))


def details(error: grpc.aio.AioRpcError) -> tuple[str, str, float]:
    """Reason, limit and seconds to wait."""
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(retry)
    return info.reason, info.metadata["limit"], retry.retry_delay.ToTimedelta().total_seconds()


async def get_project(stub: AdminServiceStub, metadata: Any) -> None:
    """One call."""
    call: Any = stub.GetProject(pb.GetProjectRequest(), metadata=metadata)
    await call


async def refusals(stub: AdminServiceStub, metadata: Any, calls: int) -> list[grpc.aio.AioRpcError]:
    """What became of calls made at once: the errors."""
    made = [get_project(stub, metadata) for _ in range(calls)]
    ended: list[Any] = await asyncio.gather(*made, return_exceptions=True)
    return [error for error in ended if isinstance(error, grpc.aio.AioRpcError)]


async def test_a_project_over_its_rate_hears_which_limit_and_when(
    server: Administration, stub: AdminServiceStub
) -> None:
    metadata = await server.metadata(KeyRole.READER)
    await limit_project(server.record, Limits(requests_per_second=2))
    refused = await refusals(stub, metadata, 10)
    assert len(refused) == 6  # a burst of 4
    assert refused[0].code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    told = [details(error) for error in refused]
    assert {(reason, limit) for reason, limit, _ in told} == {("RATE_LIMITED", "project.requests_per_second")}
    waits = sorted(wait for _, _, wait in told)
    assert 0 < waits[0] <= 0.5
    assert all(wait < later <= wait + 0.6 for wait, later in pairwise(waits)), "one after the other"


async def test_a_key_has_limits_of_its_own(server: Administration, stub: AdminServiceStub) -> None:
    narrow = bearer(await server.key(KeyRole.READER, limits=Limits(requests_per_second=1)))
    refused = await refusals(stub, narrow, 5)
    assert {details(error)[1] for error in refused} == {"key.requests_per_second"}
    assert not await refusals(stub, await server.metadata(KeyRole.READER), 5)


async def test_new_limits_hold_at_once(server: Administration, stub: AdminServiceStub) -> None:
    metadata = await server.metadata(KeyRole.READER)
    assert not await refusals(stub, metadata, 5)
    await limit_project(server.record, Limits(concurrent_calls=0))
    (refused,) = await refusals(stub, metadata, 1)
    assert details(refused)[:2] == ("TOO_MANY_CONCURRENT_CALLS", "project.concurrent_calls")


def call_of(project_id: str = "default", method: str = "AdminService/GetProject") -> Call:
    return Call(method, Caller(project_id, KeyRole.WRITER, f"key-of-{project_id}"), "request")


async def test_places_are_given_back_when_calls_end_however_they_end(server: Administration) -> None:
    limiter = Limiter(server.record.settings, Quotas(server.record), maximum_calls=1)
    with pytest.raises(RuntimeError):
        async with limiter.admitted(call_of(), streaming=False):
            raise RuntimeError
    async with limiter.admitted(call_of(), streaming=False):
        with pytest.raises(ResourceExhausted) as refused:
            await limiter.enter(call_of("other"), streaming=True)
        assert refused.value.metadata["limit"] == "server.concurrent_calls"
    async with limiter.admitted(call_of(), streaming=True):
        pass


async def test_a_refused_quota_gives_the_place_back(server: Administration) -> None:
    limiter = Limiter(
        server.record.settings,
        Quotas(server.record),
        project_defaults=Limits(adds_per_day=1, memories_stored=0),
        maximum_calls=1,
    )
    add = call_of(method="MemoryService/AddMemories")
    for _ in range(3):
        with pytest.raises(ResourceExhausted) as refused:
            await limiter.enter(add, streaming=False)
        assert refused.value.metadata["limit"] == "project.memories_stored"


async def test_waiting_for_an_operation_takes_the_place_of_a_stream(server: Administration) -> None:
    limiter = Limiter(
        server.record.settings, Quotas(server.record), project_defaults=Limits(concurrent_calls=0)
    )
    async with limiter.admitted(call_of(method="AdminService/WaitOperation"), streaming=False):
        pass


@dataclass
class Pace:
    """How long a call of the calm project took."""

    quiet: list[float] = field(default_factory=list)
    """While nobody floods."""
    quiet_again: list[float] = field(default_factory=list)
    """The same once more in each round: what it differs by is the machine's doing."""
    flooded: list[float] = field(default_factory=list)

    @staticmethod
    def p95(times: list[float]) -> float:
        return sorted(times)[int(len(times) * 0.95)]


async def paces(stub: AdminServiceStub, calm: Any, flooder: asyncio.subprocess.Process) -> Pace:
    """In short turns, so that what else the machine does weighs on all alike."""

    async def measure(calls: int) -> list[float]:
        times = []
        for _ in range(calls):
            begun = time.perf_counter()
            await get_project(stub, calm)
            times.append(time.perf_counter() - begun)
        return times

    pace = Pace()
    await measure(200)
    for _ in range(ROUNDS):
        flooder.send_signal(signal.SIGSTOP)
        await measure(SETTLE)
        pace.quiet += await measure(TURN)
        pace.quiet_again += await measure(TURN)
        flooder.send_signal(signal.SIGCONT)
        await measure(SETTLE)
        pace.flooded += await measure(TURN)
    return pace


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("heeds", ["1", "0"], ids=["wait as they are told", "try again at once"])
@pytest.mark.parametrize("callers", [64, 1_000])
async def test_one_projects_flood_leaves_the_others_their_pace(
    server: Administration, stub: AdminServiceStub, callers: int, heeds: str
) -> None:
    """A second project's p95 moves by at most a quarter while so many callers of a limited project go on."""
    await server.record.projects.ensure("flooding")
    calm = await server.metadata(KeyRole.READER)
    flooding = await server.key(KeyRole.READER, "flooding", limits=Limits(requests_per_second=ADMITTED))
    command = [sys.executable, "-m", "support.flooding", server.address, flooding, str(callers), heeds]
    flooder = await asyncio.create_subprocess_exec(
        *command, cwd=Path(__file__).parents[1], stdout=asyncio.subprocess.PIPE
    )
    try:
        assert flooder.stdout is not None
        assert await flooder.stdout.readline() == b"flooding\n"
        pace = await paces(stub, calm, flooder)
        assert flooder.returncode is None
    finally:
        flooder.kill()
        await flooder.wait()
    quiet, again, flooded = pace.p95(pace.quiet), pace.p95(pace.quiet_again), pace.p95(pace.flooded)
    print(f"p95 {quiet * 1e3:.2f} and {again * 1e3:.2f} ms alone, {flooded * 1e3:.2f} ms beside the flood")
    assert flooded <= max(quiet, again) * 1.25 + abs(quiet - again)
