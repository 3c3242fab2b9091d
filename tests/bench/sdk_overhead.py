"""What the Python client adds to a call: 1,000 searches through it and through the bare stub.

    python tests/bench/sdk_overhead.py [--searches 1000] [--address HOST:PORT]

Without an address it starts a server of its own on a temporary directory. The calls take turns, so that a
busy machine slows both alike; medians are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parents[1]))

from mnemon import AsyncClient, Client
from mnemon.v1 import scope_pb2, search_service_pb2
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub
from support.server import MnemonServer

MEMORIES = 100
QUERY = "what does Ana like?"


def measure(calls: dict[str, Callable[[], object]], count: int) -> dict[str, list[float]]:
    """Milliseconds of each kind of call, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(count):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            taken[name].append((time.perf_counter() - begun) * 1000)
    return taken


async def measure_async(
    calls: dict[str, Callable[[], Awaitable[object]]], count: int
) -> dict[str, list[float]]:
    """The same for calls that are awaited."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(count):
        for name, call in calls.items():
            begun = time.perf_counter()
            await call()
            taken[name].append((time.perf_counter() - begun) * 1000)
    return taken


def show(taken: dict[str, list[float]]) -> None:
    """Prints the percentiles, and the difference of the medians."""
    for name, values in taken.items():
        cuts = statistics.quantiles(values, n=100)
        print(f"{name:14} p50 {cuts[49]:7.3f} ms   p95 {cuts[94]:7.3f} ms   p99 {cuts[98]:7.3f} ms")
    bare, client = (statistics.median(values) for values in taken.values())
    print(f"{'overhead':14} p50 {client - bare:7.3f} ms  ({(client / bare - 1) * 100:.1f} %)")


async def asynchronous(address: str, key: str, count: int) -> dict[str, list[float]]:
    """The asynchronous client against the bare asynchronous stub."""
    request = search_service_pb2.SearchRequest(query=QUERY, scope=scope_pb2.Scope(user_id="ana"))
    metadata = (("authorization", f"Bearer {key}"),)
    async with AsyncClient(address, key) as client, grpc.aio.insecure_channel(address) as channel:
        stub = SearchServiceStub(channel)
        return await measure_async(
            {
                "aio stub": lambda: stub.Search(request, timeout=30, metadata=metadata),
                "AsyncClient": lambda: client.search(QUERY, user_id="ana"),
            },
            count,
        )


def main() -> None:
    """Measures both clients and prints them."""
    parser = argparse.ArgumentParser(description="What the Python client adds to a call.")
    parser.add_argument("--searches", type=int, default=1000)
    parser.add_argument("--address")
    parser.add_argument("--key", default="")
    given = parser.parse_args()
    with ExitStack() as stack:
        address, key = given.address, given.key
        if address is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(MnemonServer(folder))
            file = folder / "keys" / "default.key"
            address, key = server.address, file.read_text().strip() if file.exists() else ""
        client = stack.enter_context(Client(address, key))
        texts = [f"Ana likes thing number {number}." for number in range(MEMORIES)]
        client.add(texts=texts, infer=False, user_id="ana")
        channel = stack.enter_context(grpc.insecure_channel(address))
        stub = SearchServiceStub(channel)
        request = search_service_pb2.SearchRequest(query=QUERY, scope=scope_pb2.Scope(user_id="ana"))
        metadata = (("authorization", f"Bearer {key}"),)
        show(
            measure(
                {
                    "stub": lambda: stub.Search(request, timeout=30, metadata=metadata),
                    "Client": lambda: client.search(QUERY, user_id="ana"),
                },
                given.searches,
            )
        )
        show(asyncio.run(asynchronous(address, key, given.searches)))


if __name__ == "__main__":
    main()
