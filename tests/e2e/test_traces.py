"""A caller that sends `traceparent` finds the whole call in its trace."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from mnemon.v1 import memory_service_pb2, search_service_pb2
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.message_pb2 import Message
from mnemon.v1.scope_pb2 import Scope
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub
from support.otlp_receiver import otlp_receiver
from support.server import running_server

ADD_STAGES = {"recall", "extract", "embed", "reconcile", "commit", "apply"}
SEARCH_STAGES = {"analyse", "embed", "retrieve", "fuse", "hydrate"}
SECRET = "Ana keeps her spare key under the blue pot"


def test_an_add_and_a_search_are_traced_from_the_caller_on(tmp_path: Path) -> None:
    with otlp_receiver() as receiver:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{receiver.address}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }
        with running_server(tmp_path / "data", **environment) as server, server.channel() as channel:
            scope = Scope(user_id="ana")
            add = memory_service_pb2.AddMemoriesRequest(scope=scope, messages=[Message(content=SECRET)])
            trace_id, span_id, metadata = new_trace()
            MemoryServiceStub(channel).AddMemories(add, metadata=metadata, timeout=20)
            spans = receiver.spans_of(trace_id, {"mnemon.v1.MemoryService/AddMemories", *ADD_STAGES})
            assert_one_call(spans, "mnemon.v1.MemoryService/AddMemories", span_id, ADD_STAGES)

            trace_id, span_id, metadata = new_trace()
            query = search_service_pb2.SearchRequest(scope=scope, query="where is the key?")
            SearchServiceStub(channel).Search(query, metadata=metadata, timeout=20)
            spans = receiver.spans_of(trace_id, {"mnemon.v1.SearchService/Search", *SEARCH_STAGES})
            assert_one_call(spans, "mnemon.v1.SearchService/Search", span_id, SEARCH_STAGES)

            receiver.wait_for_metrics({"rpc.server.duration", "rpc.server.calls", "rpc.server.active"})
            assert all(SECRET not in str(span) and "spare key" not in str(span) for span in spans)
            assert "spare key" not in server.errors
            logged = [json.loads(line) for line in server.errors.splitlines() if '"call"' in line]
            assert trace_id in {line.get("trace_id") for line in logged}


def test_an_error_is_in_the_trace_with_its_code(tmp_path: Path) -> None:
    with otlp_receiver() as receiver:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{receiver.address}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with running_server(tmp_path / "data", **environment) as server, server.channel() as channel:
            trace_id, _, metadata = new_trace()
            with pytest.raises(grpc.RpcError):
                SearchServiceStub(channel).Search(search_service_pb2.SearchRequest(), metadata=metadata)
            (span,) = receiver.spans_of(trace_id, {"mnemon.v1.SearchService/Search"})
            codes = [a.value.int_value for a in span.attributes if a.key == "rpc.grpc.status_code"]
            assert codes == [grpc.StatusCode.INVALID_ARGUMENT.value[0]]


def new_trace() -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Ids of a caller's trace and span, and the metadata that carry them."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, (("traceparent", f"00-{trace_id}-{span_id}-01"),)


def assert_one_call(spans: list[Span], name: str, parent_span_id: str, stages: set[str]) -> None:
    """One server span below the caller's, and each stage below that."""
    (server_span,) = [span for span in spans if span.name == name]
    assert server_span.kind == Span.SPAN_KIND_SERVER
    assert server_span.parent_span_id.hex() == parent_span_id
    for stage in stages:
        parents = {span.parent_span_id for span in spans if span.name == stage}
        assert parents == {server_span.span_id}, stage
