"""On a real server, a conversation and a watch end when their key is revoked."""

from __future__ import annotations

import queue
import time
from typing import Any

import grpc
import pytest

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1 import memory_service_pb2 as memory
from mnemon.v1 import search_service_pb2 as search
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.project_pb2 import KEY_ROLE_READER
from mnemon.v1.scope_pb2 import Scope
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub
from support.key_sender import bearer
from support.server import MnemonServer

SECONDS = 2.0
"""A second, and what a loaded machine adds."""


def converse(channel: grpc.Channel, metadata: Any, scope: Scope) -> Any:
    """A conversation in which nobody speaks any more."""
    said: queue.SimpleQueue[search.LiveSearchRequest] = queue.SimpleQueue()
    said.put(search.LiveSearchRequest(search=search.SearchRequest(scope=scope, query="-")))
    said.put(search.LiveSearchRequest(utterance=search.Utterance(text="where do I live", final=True)))
    return SearchServiceStub(channel).LiveSearch(iter(said.get, None), metadata=metadata)


def watch(channel: grpc.Channel, metadata: Any, scope: Scope) -> Any:
    """A watch of nothing new."""
    return MemoryServiceStub(channel).WatchMemories(
        memory.WatchMemoriesRequest(scope=scope), metadata=metadata
    )


@pytest.mark.parametrize("opened", [converse, watch])
def test_what_is_held_open_ends_with_its_key(
    server: MnemonServer, channel: grpc.Channel, user: str, opened: Any
) -> None:
    keys = AdminServiceStub(channel)
    key = keys.CreateApiKey(admin.CreateApiKeyRequest(role=KEY_ROLE_READER))
    with grpc.insecure_channel(server.address) as other:
        call = opened(other, bearer(key.secret), Scope(user_id=user))
        next(call)
        keys.RevokeApiKey(admin.RevokeApiKeyRequest(key_id=key.api_key.id))
        begun = time.monotonic()
        with pytest.raises(grpc.RpcError) as raised:
            next(call)
        assert time.monotonic() - begun < SECONDS
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
