"""This server's own RPCs, called without the network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from mnemon_service.model.call import Call
from mnemon_service.model.caller import Caller
from mnemon_service.model.errors import Unimplemented
from mnemon_service.model.ids import new_id
from mnemon_service.server.permissions import require_role


class ServedRpcs:
    """Implements `admin.ports.InProcessCalls` once it knows what is served."""

    def __init__(self) -> None:
        self._implementations: dict[str, tuple[MethodDescriptor, Callable[..., Any] | None]] = {}

    def serve(self, services: Iterable[tuple[ServiceDescriptor, object]]) -> None:
        """What can be called from now on."""
        for service, servicer in services:
            for rpc in service.methods:
                found = getattr(servicer, rpc.name, None)
                self._implementations[f"{service.name}/{rpc.name}"] = (rpc, found)

    async def __call__(self, method: str, request: Message, caller: Caller, seconds: float) -> list[Message]:
        """The answers. Raises `Unimplemented`, `PermissionDenied` (ROLE_REQUIRED), what the RPC raises."""
        rpc, implementation = self._implementations[method]
        if implementation is None:
            raise Unimplemented(f"{method} is not in this release")
        require_role(caller, method)
        call = Call(method, caller, new_id())
        if not rpc.server_streaming:
            return [await implementation(request, call)]
        answers: list[Message] = []

        async def send(answer: Message) -> None:
            answers.append(answer)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await implementation(request, call, send)
        return answers
