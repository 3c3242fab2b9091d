"""A real gRPC server on a free port that answers what a test scripts, to test clients at the wire."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from mnemon.v1 import admin_service_pb2, memory_service_pb2, search_service_pb2

Behaviour = Callable[[Any, grpc.ServicerContext], Any]
"""What an RPC does: takes the request (or the iterator of requests) and the context, answers a message
(or yields them)."""

SERVICES = (
    memory_service_pb2.DESCRIPTOR.services_by_name["MemoryService"],
    search_service_pb2.DESCRIPTOR.services_by_name["SearchService"],
    admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
)
METHODS: dict[str, MethodDescriptor] = {
    f"{service.name}/{method.name}": method for service in SERVICES for method in service.methods
}
"""Every RPC of the contract, as "MemoryService/AddMemories"."""


@dataclass
class SeenCall:
    """One call as it arrived."""

    rpc: str
    request: Any
    metadata: dict[str, str]
    time_remaining: float | None
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set once the call is over on the server, however it ended."""


class ScriptedServer:
    """Answers each RPC by its script; without one, with an empty answer."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None, port: int = 0) -> None:
        self.calls: list[SeenCall] = []
        self.scripts: dict[str, Behaviour] = {}
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8))
        for service in SERVICES:
            handlers = {method.name: self._handler(method) for method in service.methods}
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service.full_name, handlers),)
            )
        if credentials is None:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self) -> ScriptedServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server and all its calls at once."""
        self._server.stop(None).wait()

    def requests(self, rpc: str) -> list[Any]:
        """Every request of an RPC, in the order of arrival."""
        return [call.request for call in self.calls if call.rpc == rpc]

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        rpc = f"{method.containing_service.name}/{method.name}"
        answer = GetMessageClass(method.output_type)

        def seen(request: Any, context: grpc.ServicerContext) -> SeenCall:
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            call = SeenCall(rpc, request, metadata, context.time_remaining())
            context.add_callback(call.cancelled.set)
            self.calls.append(call)
            return call

        def one(request: Any, context: grpc.ServicerContext) -> Any:
            seen(request, context)
            script = self.scripts.get(rpc)
            if script is not None:
                return script(request, context)
            if method.client_streaming:
                self.calls[-1].request = list(request)
            return answer()

        def many(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            seen(request, context)
            script = self.scripts.get(rpc)
            if script is not None:
                yield from script(request, context)

        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[method.client_streaming, method.server_streaming]
        return make(
            many if method.server_streaming else one,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=answer.SerializeToString,
        )


def fail(
    context: grpc.ServicerContext,
    code: str,
    reason: str = "",
    message: str = "no",
    *,
    violations: dict[str, str] | None = None,
    retry_after: float | None = None,
    metadata: dict[str, str] | None = None,
) -> NoReturn:
    """Ends the call as the service does: a status with its details."""
    details: list[Any] = []
    if reason:
        details.append(error_details_pb2.ErrorInfo(reason=reason, domain="mnemon", metadata=metadata or {}))
    if violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=name, description=text)
                    for name, text in violations.items()
                ]
            )
        )
    if retry_after is not None:
        delay = Duration()
        delay.FromNanoseconds(int(retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=grpc.StatusCode[code].value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    if details:
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode[code], message)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """A script that behaves otherwise at each call; the last one stays."""
    left = list(behaviours)

    def behave(request: Any, context: grpc.ServicerContext) -> Any:
        now = left.pop(0) if len(left) > 1 else left[0]
        return now(request, context)

    return behave
