"""A client that takes one message of each of many streams and then reads no more:
`python -m support.silent_reader ADDRESS KEY USER CONNECTIONS` until it is killed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import grpc

from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1 import search_service_pb2 as search
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.scope_pb2 import Scope
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub
from support.key_sender import bearer

STREAMS_A_CONNECTION = 3


def hold(address: str, key: str, user: str, connections: int) -> None:
    """Opens a watch, an export and a search on each of so many connections."""
    scope, metadata = Scope(user_id=user), bearer(key)
    held: list[Iterator[object]] = []
    for _ in range(connections):
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.insecure_channel(address, options=options)
        memories, searches = MemoryServiceStub(channel), SearchServiceStub(channel)
        query = search.SearchRequest(scope=scope, query="walls", top_k=200)
        held.extend(
            [
                memories.WatchMemories(
                    pb.WatchMemoriesRequest(scope=scope, after_sequence=0), metadata=metadata
                ),
                memories.ExportMemories(pb.ExportMemoriesRequest(scope=scope), metadata=metadata),
                searches.StreamSearch(search.StreamSearchRequest(search=query), metadata=metadata),
            ]
        )
    for call in held:
        next(call)
    print("holding", flush=True)
    signal.pause()


if __name__ == "__main__":
    hold(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
