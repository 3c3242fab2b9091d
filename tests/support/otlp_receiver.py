"""A real OTLP receiver: a gRPC server that keeps the spans and metrics that are exported to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class OtlpReceiver(
    trace_service_pb2_grpc.TraceServiceServicer, metrics_service_pb2_grpc.MetricsServiceServicer
):
    """What arrived so far."""

    def __init__(self) -> None:
        self.address = ""
        self._arrived = threading.Condition()
        self._spans: list[Span] = []
        self._metrics: set[str] = set()

    def Export(self, request, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, N802
        """Takes an export of either service."""
        with self._arrived:
            if isinstance(request, trace_service_pb2.ExportTraceServiceRequest):
                self._spans += [
                    span
                    for resource in request.resource_spans
                    for scope in resource.scope_spans
                    for span in scope.spans
                ]
                self._arrived.notify_all()
                return trace_service_pb2.ExportTraceServiceResponse()
            self._metrics |= {
                metric.name
                for resource in request.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            }
            self._arrived.notify_all()
            return metrics_service_pb2.ExportMetricsServiceResponse()

    def spans_of(self, trace_id: str, names: set[str], timeout: float = 20) -> list[Span]:
        """All spans of a trace, once those of the given names are among them."""

        def found() -> list[Span]:
            return [span for span in self._spans if span.trace_id.hex() == trace_id]

        with self._arrived:
            complete = self._arrived.wait_for(lambda: names <= {span.name for span in found()}, timeout)
            assert complete, f"only {sorted(span.name for span in found())} arrived"
            return found()

    def wait_for_metrics(self, names: set[str], timeout: float = 20) -> None:
        """Returns once metrics of these names have arrived."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: names <= self._metrics, timeout), sorted(self._metrics)


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """A receiver on a free port."""
    receiver = OtlpReceiver()
    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    receiver.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()
