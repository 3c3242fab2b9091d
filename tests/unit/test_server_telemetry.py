"""Spans and metrics of calls: whose child a span is, what makes it an error, and what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.rpc import code_pb2
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from mnemon_service.server import telemetry

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Reads value and attributes of every point, by the metric's name."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("test")
    for name, kind in (("_duration", "histogram"), ("_calls", "counter"), ("_active", "up_down_counter")):
        made = getattr(telemetry, name)
        create = getattr(meter, f"create_{kind}")
        monkeypatch.setattr(telemetry, name, create(made._name, unit=made._unit))

    def read() -> dict[str, Any]:
        data: Any = reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        return {metric.name: (metric.unit, metric.data.data_points) for metric in metrics}

    yield read
    provider.shutdown()


def one_call(code: str, *metadata: tuple[str, str | bytes]) -> None:
    with telemetry.server_span("SearchService/Search", metadata) as span:
        telemetry.call_ended(span, "SearchService/Search", code, code_pb2.Code.Value(code), 12.5)


def the_span(spans: InMemorySpanExporter) -> ReadableSpan:
    (span,) = spans.get_finished_spans()
    return span


def test_a_call_is_a_server_span_named_after_its_rpc(spans: InMemorySpanExporter) -> None:
    one_call("OK")
    span = the_span(spans)
    assert (span.name, span.kind, span.parent) == ("mnemon.v1.SearchService/Search", SpanKind.SERVER, None)
    assert dict(span.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "mnemon.v1.SearchService",
        "rpc.method": "Search",
        "rpc.grpc.status_code": 0,
    }


def test_the_callers_span_is_the_parent_whatever_else_it_sends(spans: InMemorySpanExporter) -> None:
    one_call("OK", ("authorization", "Bearer mn_x"), ("traceparent", PARENT), ("x-bin", b"\x00"))
    span = the_span(spans)
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == tuple(PARENT.split("-")[1:3])
    assert "mn_x" not in repr(span.to_json())


@pytest.mark.parametrize("sent", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_broken_parent_begins_a_trace_of_its_own(spans: InMemorySpanExporter, sent: str) -> None:
    one_call("OK", ("traceparent", sent))
    assert the_span(spans).parent is None


@pytest.mark.parametrize("code", code_pb2.Code.keys())
def test_only_what_the_server_is_to_blame_for_makes_a_span_an_error(
    spans: InMemorySpanExporter, code: str
) -> None:
    one_call(code)
    faults = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
    assert (the_span(spans).status.status_code is StatusCode.ERROR) == (code in faults)


def test_rate_errors_and_duration_are_counted_by_method_and_code(points: Any) -> None:
    one_call("OK")
    one_call("NOT_FOUND")
    one_call("OK")
    found = points()
    unit, calls = found["rpc.server.calls"]
    assert unit == "{call}"
    assert {(point.attributes["rpc.grpc.status_code"], point.value) for point in calls} == {
        ("OK", 2),
        ("NOT_FOUND", 1),
    }
    assert {point.attributes["rpc.method"] for point in calls} == {"SearchService/Search"}
    unit, durations = found["rpc.server.duration"]
    assert (unit, sorted((point.count, point.sum) for point in durations)) == ("ms", [(1, 12.5), (2, 25.0)])
    _, active = found["rpc.server.active"]
    assert [point.value for point in active] == [0]


def test_nothing_is_exported_unless_an_endpoint_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in telemetry.ENDPOINT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    exporters = telemetry.Telemetry()
    assert exporters.start() is False
    exporters.stop()
