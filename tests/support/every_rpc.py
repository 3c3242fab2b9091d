"""Calls any RPC of the contract by its descriptor, so that tests can walk all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from mnemon.v1 import admin_service_pb2, memory_service_pb2, search_service_pb2

METHODS: dict[str, MethodDescriptor] = {
    f"{service.name}/{rpc.name}": rpc
    for file in (memory_service_pb2, search_service_pb2, admin_service_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for rpc in service.methods
}
"""Every RPC, as `MemoryService/AddMemories`."""


@dataclass
class Outcome:
    """What became of a call."""

    code: str = "OK"
    message: str = ""
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    responses: list[Message] = field(default_factory=list)

    @property
    def seen(self) -> str:
        """All that the caller could read."""
        answers = [json_format.MessageToJson(each, ensure_ascii=False) for each in self.responses]
        return "\n".join([*answers, self.message, json.dumps(self.metadata)])


def request_type(method: str) -> type[Message]:
    """The class of the RPC's request."""
    return message_factory.GetMessageClass(METHODS[method].input_type)


def request_of(method: str, fields: Mapping[str, Any]) -> Message:
    """A request from its JSON form."""
    return json_format.ParseDict(dict(fields), request_type(method)())


def call(
    channel: grpc.Channel,
    method: str,
    requests: Iterable[Message | bytes],
    metadata: tuple[tuple[str, str], ...] = (),
    timeout: float = 15.0,
) -> Outcome:
    """Makes the call, reads its answers to the end, and tells what happened. `requests` are several only for
    a client stream; bytes go out as they are."""
    rpc = METHODS[method]
    path = f"/{rpc.containing_service.full_name}/{rpc.name}"
    shapes = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    make: Any = shapes[rpc.client_streaming, rpc.server_streaming]
    callable_ = make(
        path,
        request_serializer=lambda each: each if isinstance(each, bytes) else each.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(rpc.output_type).FromString,
    )
    sent = list(requests)
    outcome = Outcome()
    try:
        answer = callable_(
            iter(sent) if rpc.client_streaming else sent[0], metadata=metadata, timeout=timeout
        )
        if rpc.server_streaming:
            outcome.responses.extend(answer)
        else:
            outcome.responses.append(answer)
    except grpc.RpcError as error:
        _describe(outcome, error)
    return outcome


def _describe(outcome: Outcome, error: Any) -> None:
    outcome.code = error.code().name
    outcome.message = error.details() or ""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    outcome.reason = info.reason
                    outcome.metadata = dict(info.metadata)
