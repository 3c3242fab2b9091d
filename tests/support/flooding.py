"""A flood from outside: `python -m support.flooding ADDRESS KEY CALLERS HEEDS` calls until it is killed.

HEEDS is `1` for callers who wait as long as a refusal says, `0` for callers who try again at once. The
process takes only what time the processors have left, as if it ran on a machine of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from support.key_sender import bearer

CALLERS_A_CONNECTION = 500


async def flood(address: str, key: str, callers: int, *, heeds: bool) -> None:
    """So many callers, each of which tries again whatever it hears."""
    options = [("grpc.use_local_subchannel_pool", 1)]

    async def call_for_ever(stub: AdminServiceStub) -> None:
        while True:
            try:
                call: Any = stub.GetProject(pb.GetProjectRequest(), metadata=bearer(key))
                await call
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(retry_seconds(error) if heeds else 0)

    channels, calling = [], []
    for start in range(0, callers, CALLERS_A_CONNECTION):
        channel = grpc.aio.insecure_channel(address, options=options)
        channels.append(channel)  # one that is forgotten cancels its calls
        stub = AdminServiceStub(channel)
        calling += [call_for_ever(stub) for _ in range(min(CALLERS_A_CONNECTION, callers - start))]
    print("flooding", flush=True)
    await asyncio.gather(*calling)


def retry_seconds(error: grpc.aio.AioRpcError) -> float:
    """How long the refusal says to wait."""
    metadata = dict(error.trailing_metadata() or ())
    retry = error_details_pb2.RetryInfo()
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    assert any(detail.Unpack(retry) for detail in status.details)
    return float(retry.retry_delay.ToTimedelta().total_seconds())


if __name__ == "__main__":
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    asyncio.run(flood(sys.argv[1], sys.argv[2], int(sys.argv[3]), heeds=sys.argv[4] == "1"))
