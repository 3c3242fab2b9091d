"""The contract's rules bite: one request for each kind of rule, and every pattern has words of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1 import filter_pb2, memory_pb2, message_pb2, project_pb2, scope_pb2
from mnemon.v1 import memory_service_pb2 as memory
from mnemon.v1 import search_service_pb2 as search
from mnemon_service.model.errors import InvalidArgument, Reason
from mnemon_service.server.validation import _PLAIN_WORDS, RequestValidator
from support.wire_filters import comparison, negated

ID = "0192f0c1-0000-7000-8000-000000000001"
ANA = scope_pb2.Scope(user_id="ana")


@pytest.fixture(scope="module")
def validator() -> RequestValidator:
    return RequestValidator()


def check(validator: RequestValidator, request: Message) -> list[str]:
    """The paths of what is wrong."""
    try:
        validator.check(request.DESCRIPTOR.full_name, request.SerializeToString())
    except InvalidArgument as error:
        assert error.reason is Reason.INVALID_FIELD
        assert all(violation.description for violation in error.violations)
        assert error.violations[0].description in error.message
        return list(dict.fromkeys(violation.field for violation in error.violations))
    return []


def adding(**fields: Any) -> memory.AddMemoriesRequest:
    return memory.AddMemoriesRequest(scope=ANA, **fields)


def said(**fields: Any) -> memory.AddMemoriesRequest:
    return adding(messages=[message_pb2.Message(content="a"), message_pb2.Message(**fields)])


def watching(seconds: int) -> memory.WatchMemoriesRequest:
    return memory.WatchMemoriesRequest(heartbeat_interval=Duration(seconds=seconds))


IMAGE = message_pb2.Image(uri="http://example.com/a.png")
ROWS = memory.ImportRows(rows=[memory.ImportRow()])
CASES: list[tuple[str, Message, list[str]]] = [
    ("string too short", adding(texts=["a", ""]), ["texts[1]"]),
    ("string too long", adding(texts=["a" * 32_769]), ["texts[0]"]),
    ("string of the longest length", adding(texts=["a" * 32_768]), []),
    ("length in bytes, not characters", adding(texts=["é" * 16_385]), ["texts[0]"]),
    ("pattern", said(content="a", images=[IMAGE]), ["messages[1].images[0].uri"]),
    ("control character", memory.AddMemoriesRequest(scope=scope_pb2.Scope(run_id="a\tb")), ["scope.run_id"]),
    ("request id with a space", adding(request_id="a b"), ["request_id"]),
    ("request id of 129 characters", adding(request_id="a" * 129), ["request_id"]),
    ("uuid", memory.GetMemoryRequest(id="7"), ["id"]),
    ("uuid in a list", memory.BatchGetMemoriesRequest(ids=[ID, "7"]), ["ids[1]"]),
    ("uuid in capitals", memory.GetMemoryRequest(id=ID.upper()), []),
    ("list too short", memory.BatchGetMemoriesRequest(), ["ids"]),
    ("list too long", memory.BatchGetMemoriesRequest(ids=[ID] * 1001), ["ids"]),
    ("list not unique", adding(categories=["a", "b", "a"]), ["categories"]),
    ("undefined enum value", adding(type=99), ["type"]),
    ("enum value that must be said", memory.SubmitFeedbackRequest(memory_id=ID), ["rating"]),
    ("integer too small", memory.ListMemoriesRequest(page_size=-1), ["page_size"]),
    ("integer too large", memory.ListMemoriesRequest(page_size=501), ["page_size"]),
    ("64-bit integer", memory.RevertMemoryRequest(id=ID, version=0), ["version"]),
    ("number that is none", search.SearchRequest(query="a", threshold=float("nan")), ["threshold"]),
    ("number too large", search.SearchRequest(query="a", threshold=1.5), ["threshold"]),
    ("bytes too long", said(images=[{"data": b"x" * 3_145_729}]), ["messages[1].images[0].data"]),
    ("oneof not set", said(images=[{}]), ["messages[1].images[0].content"]),
    ("oneof of a filter", memory.ListMemoriesRequest(filter=filter_pb2.Filter()), ["filter.kind"]),
    ("message not given", memory.UpdateMemoryRequest(), ["memory"]),
    ("time not given", adding(event_time=memory_pb2.EventTime()), ["event_time.time"]),
    ("span too short", adding(ttl=Duration()), ["ttl"]),
    (
        "span too long",
        watching(301),
        ["heartbeat_interval"],
    ),
    ("span that fits", watching(300), []),
    (
        "deep inside a recursive message",
        memory.ListMemoriesRequest(filter=negated(negated(comparison("", "EQ", "a")))),
        ["filter.not_filter.not_filter.comparison.field"],
    ),
    (
        "inside a nested request",
        memory.EnqueueMemoriesRequest(add=adding(texts=[""])),
        ["add.texts[0]"],
    ),
    (
        "every wrong field at once",
        adding(texts=["", ""], request_id="a b", type=99),
        ["texts[0]", "texts[1]", "type", "request_id"],
    ),
    ("rows of an import are checked one by one", memory.ImportMemoriesRequest(rows=ROWS), []),
]


@pytest.mark.parametrize(("name", "request_", "paths"), CASES, ids=[name for name, *_ in CASES])
def test_a_rule_bites_and_names_its_field(
    validator: RequestValidator, name: str, request_: Message, paths: list[str]
) -> None:
    assert check(validator, request_) == paths


def test_a_key_of_a_map_stands_in_the_path(validator: RequestValidator) -> None:
    settings = project_pb2.ProjectSettings(agent_instructions={"coach": "x" * 9000})
    (path,) = check(validator, admin.UpdateSettingsRequest(settings=settings))
    assert path == 'settings.agent_instructions["coach"]'


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\x0a\x02\xff\xfe", b"\x0a\x05abc", b"\x08\x01" * 3 + b"\x0a"], ids=repr
)
def test_bytes_that_are_no_such_message_are_named_after_it(validator: RequestValidator, raw: bytes) -> None:
    with pytest.raises(InvalidArgument) as refused:
        validator.check("mnemon.v1.GetMemoryRequest", raw)
    assert refused.value.violations[0].field == "GetMemoryRequest"


def varint(number: int) -> bytes:
    """A length as Protobuf writes it."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def test_a_message_nested_past_all_bounds_is_refused(validator: RequestValidator) -> None:
    raw = comparison("type", "EQ", "SEMANTIC").SerializeToString()
    for _ in range(1000):
        raw = b"\x1a" + varint(len(raw)) + raw  # field 3: `not_filter` of a filter, `filter` of the request
    with pytest.raises(InvalidArgument):
        validator.check("mnemon.v1.ListMemoriesRequest", raw)


def test_every_pattern_of_the_contract_is_told_in_words() -> None:
    protos = Path(__file__).parents[2] / "proto" / "mnemon" / "v1"
    written = {
        json.loads(pattern)
        for proto in protos.glob("*.proto")
        for pattern in re.findall(r'string\.pattern = ("[^"]*")', proto.read_text())
    }
    assert written
    assert written <= set(_PLAIN_WORDS)


def test_metadata_is_left_to_its_own_check(validator: RequestValidator) -> None:
    metadata = Struct()
    metadata.update({"a": float("inf")})
    assert check(validator, adding(texts=["a"], metadata=metadata)) == []
