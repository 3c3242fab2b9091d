"""From the contract's descriptors to gRPC handlers: each RPC finds the servicer's method of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from mnemon_service.model.errors import Unimplemented
from mnemon_service.server.boundary import Boundary, Method

Implementation = Callable[..., Any]
"""A servicer's method, of one of the four shapes."""


def service_handler(
    service: ServiceDescriptor, servicer: object, boundary: Boundary
) -> grpc.GenericRpcHandler:
    """Handlers for every RPC of `service`.

    `servicer` has a coroutine method of each RPC's name: `(request, call) -> response`, with an iterator
    of requests where the client streams, and `(request, call, send)` where the server streams. An RPC
    that it lacks answers UNIMPLEMENTED (NOT_IMPLEMENTED).
    """
    return grpc.method_handlers_generic_handler(
        service.full_name,
        {
            rpc.name: _handler(rpc, getattr(servicer, rpc.name, _missing(rpc)), boundary)
            for rpc in service.methods
        },
    )


def _handler(
    rpc: MethodDescriptor, implementation: Implementation, boundary: Boundary
) -> grpc.RpcMethodHandler[Any, Any]:
    method = Method(
        path=f"{rpc.containing_service.name}/{rpc.name}",
        request_type=message_factory.GetMessageClass(rpc.input_type),
        client_streaming=rpc.client_streaming,
        server_streaming=rpc.server_streaming,
    )
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[rpc.client_streaming, rpc.server_streaming]
    wrap = boundary.streaming if rpc.server_streaming else boundary.unary
    # The boundary decodes and encodes, so that bad bytes and messages too large get documented errors.
    return make(wrap(method, implementation), request_deserializer=None, response_serializer=None)


def _missing(rpc: MethodDescriptor) -> Any:  # noqa: ANN401 (a coroutine function of any of the shapes)
    async def unimplemented(*_: object) -> None:
        raise Unimplemented(f"{rpc.name} is in the contract and not in this release")

    return unimplemented
