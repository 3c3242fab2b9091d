"""Every kind of bad input gets its documented error, and nothing of it is stored."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from mnemon.v1 import memory_service_pb2 as memory
from mnemon.v1 import search_service_pb2 as search

ADD = "MemoryService/AddMemories"
GET = "MemoryService/GetMemory"
LIST = "MemoryService/ListMemories"
SEARCH = "SearchService/Search"
SCOPE = {"user_id": "ana"}


@dataclass(frozen=True)
class Bad:
    """A call and what is wrong with it."""

    name: str
    method: str
    request: Message | bytes
    code: grpc.StatusCode
    reason: str
    field: str = ""


def add(**fields: Any) -> Message:
    """A request to add; sub-messages may be dicts."""
    return memory.AddMemoriesRequest(**fields)


def find(**fields: Any) -> Message:
    """A search."""
    return search.SearchRequest(**fields)


def listing(**fields: Any) -> Message:
    """A request to list."""
    return memory.ListMemoriesRequest(**fields)


def filtered(field: str, operator: str, value: dict[str, object]) -> Message:
    """A list of Ana's memories with one comparison."""
    return listing(scope=SCOPE, filter={"comparison": {"field": field, "operator": operator, "value": value}})


INVALID = grpc.StatusCode.INVALID_ARGUMENT
CASES = [
    Bad("no message", ADD, add(scope=SCOPE), INVALID, "INVALID_FIELD", "messages"),
    Bad(
        "empty text",
        ADD,
        add(scope=SCOPE, texts=[""]),
        INVALID,
        "INVALID_FIELD",
        "texts[0]",
    ),
    Bad(
        "blank message",
        ADD,
        add(scope=SCOPE, messages=[{"content": "ok"}, {"content": " \n"}]),
        INVALID,
        "INVALID_FIELD",
        "messages[1].content",
    ),
    Bad("no scope", ADD, add(texts=["a"]), INVALID, "SCOPE_REQUIRED", "scope"),
    Bad("no scope in a search", SEARCH, find(query="a"), INVALID, "SCOPE_REQUIRED", "scope"),
    Bad(
        "control character in a scope id",
        ADD,
        add(scope={"user_id": "a\x00b"}, texts=["a"]),
        INVALID,
        "INVALID_FIELD",
        "scope.user_id",
    ),
    Bad(
        "scope id of 257 bytes",
        ADD,
        add(scope={"user_id": "a" * 257}, texts=["a"]),
        INVALID,
        "INVALID_FIELD",
        "scope.user_id",
    ),
    Bad(
        "NaN threshold",
        SEARCH,
        find(query="a", scope=SCOPE, threshold=float("nan")),
        INVALID,
        "INVALID_FIELD",
        "threshold",
    ),
    Bad(
        "text of 1 MB",
        ADD,
        add(scope=SCOPE, texts=["a" * 1_000_000]),
        INVALID,
        "INVALID_FIELD",
        "texts[0]",
    ),
    Bad(
        "message of 1 MB",
        ADD,
        add(scope=SCOPE, messages=[{"content": "a" * 1_000_000}]),
        INVALID,
        "INVALID_FIELD",
        "messages[0].content",
    ),
    Bad("bytes that are no UTF-8", SEARCH, b"\x0a\x02\xff\xfe", INVALID, "INVALID_FIELD", "SearchRequest"),
    Bad("bytes that are no message", SEARCH, b"\xff\xff\xff", INVALID, "INVALID_FIELD", "SearchRequest"),
    Bad("id that is no UUID", GET, memory.GetMemoryRequest(id="'; drop"), INVALID, "INVALID_FIELD", "id"),
    Bad(
        "unknown id",
        GET,
        memory.GetMemoryRequest(id=str(uuid.uuid4())),
        grpc.StatusCode.NOT_FOUND,
        "MEMORY_NOT_FOUND",
    ),
    Bad(
        "top_k 0",
        SEARCH,
        find(query="a", scope=SCOPE, top_k=0),
        INVALID,
        "INVALID_FIELD",
        "top_k",
    ),
    Bad(
        "top_k 10,000",
        SEARCH,
        find(query="a", scope=SCOPE, top_k=10_000),
        INVALID,
        "INVALID_FIELD",
        "top_k",
    ),
    Bad("empty query", SEARCH, find(scope=SCOPE), INVALID, "INVALID_FIELD", "query"),
    Bad(
        "page of 501",
        LIST,
        listing(scope=SCOPE, page_size=501),
        INVALID,
        "INVALID_FIELD",
        "page_size",
    ),
    Bad(
        "page token of somebody else",
        LIST,
        listing(scope=SCOPE, page_token="bm90IG91cnM"),
        INVALID,
        "PAGE_TOKEN_INVALID",
        "page_token",
    ),
    Bad(
        "filter that compares a time with a number",
        LIST,
        listing(
            scope=SCOPE,
            filter={
                "comparison": {
                    "field": "create_time",
                    "operator": "OPERATOR_GT",
                    "value": {"number_value": 1},
                }
            },
        ),
        INVALID,
        "FILTER_TYPE_MISMATCH",
        "filter.comparison.value",
    ),
    Bad(
        "filter on an unknown field",
        LIST,
        listing(
            scope=SCOPE,
            filter={
                "comparison": {"field": "owner", "operator": "OPERATOR_EQ", "value": {"string_value": "x"}}
            },
        ),
        INVALID,
        "INVALID_FIELD",
        "filter.comparison.field",
    ),
    Bad(
        "metadata with infinity",
        ADD,
        add(scope=SCOPE, texts=["a"], metadata={"x": float("inf")}),
        INVALID,
        "INVALID_FIELD",
        "metadata",
    ),
    Bad(
        "expiry in the past",
        ADD,
        add(scope=SCOPE, texts=["a"], expire_time={"seconds": 1}),
        INVALID,
        "INVALID_FIELD",
        "expire_time",
    ),
    Bad(
        "undefined enum value",
        ADD,
        add(scope=SCOPE, texts=["a"], type=99),
        INVALID,
        "INVALID_FIELD",
        "type",
    ),
]


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_bad_input_gets_its_documented_error(channel: grpc.Channel, bad: Bad) -> None:
    raw = bad.request if isinstance(bad.request, bytes) else bad.request.SerializeToString()
    call: Callable[..., object] = channel.unary_unary(f"/mnemon.v1.{bad.method}")
    with pytest.raises(grpc.RpcError) as raised:
        call(raw, timeout=10)
    error: Any = raised.value  # a grpc.Call too, which the stubs' types deny
    assert error.code() == bad.code
    details = error_details(error)
    assert details.reason == bad.reason
    assert bad.field in details.fields or not bad.field
    assert "Traceback" not in (error.details() or "")


@dataclass(frozen=True)
class Details:
    """What an error carries besides code and message."""

    reason: str
    fields: tuple[str, ...]


def error_details(error: Any) -> Details:
    """Reads `grpc-status-details-bin`."""
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
    assert info.domain == "mnemon"
    return Details(info.reason, tuple(violation.field for violation in bad_request.field_violations))
