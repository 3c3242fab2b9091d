"""A flood from outside: `python -m support.flooding ADDRESS KEY CALLERS` calls until it is killed."""

from __future__ import annotations

import asyncio
import sys

import grpc

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from support.key_sender import bearer


async def flood(address: str, key: str, callers: int) -> None:
    """So many callers, each of which tries again at once whatever it hears."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = AdminServiceStub(channel)

        async def call_for_ever() -> None:
            while True:
                try:
                    await stub.GetProject(pb.GetProjectRequest(), metadata=bearer(key))
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                        raise

        print("flooding", flush=True)
        await asyncio.gather(*(call_for_ever() for _ in range(callers)))


if __name__ == "__main__":
    asyncio.run(flood(sys.argv[1], sys.argv[2], int(sys.argv[3])))
