"""The gRPC server itself: where it listens, what it serves besides our services, how it stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mnemon_service.server.boundary import Boundary
from mnemon_service.server.handlers import service_handler
from mnemon_service.server.open_files import connections_within

_LAST_STEPS_SECONDS: Final = 5.0
"""How long calls that were cut may take to put away what they hold."""


class AddressTaken(Exception):
    """The address cannot be listened on; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How the server listens."""

    address: str
    """host:port; port 0 takes a free one."""
    maximum_message_bytes: int
    """A larger request or answer gets RESOURCE_EXHAUSTED (MESSAGE_TOO_LARGE; one of more than twice the size
    is refused before it is read, without a reason)."""
    maximum_metadata_bytes: int
    maximum_connection_age_seconds: float = 0.0
    """0 never closes a connection for its age."""
    maximum_connections: int = 10_000
    """More are closed at once. The system's limit of open files may leave room for fewer."""
    keepalive_seconds: float = 60.0
    """A connection that is quiet for so long is pinged."""
    keepalive_timeout_seconds: float = 20.0
    """It is dropped, with its streams, if the ping is not answered within this."""
    credentials: grpc.ServerCredentials | None = None
    """None listens in plaintext."""


class Runtime:
    """A server that serves the contract's services, health and reflection."""

    def __init__(
        self,
        options: RuntimeOptions,
        services: Sequence[tuple[ServiceDescriptor, object]],
        boundary: Boundary,
    ) -> None:
        self._boundary = boundary
        boundary.maximum_message_bytes = options.maximum_message_bytes
        self._names = [service.full_name for service, _ in services]
        self._server = grpc.aio.server(options=_channel_options(options))
        self._server.add_generic_rpc_handlers(
            tuple(service_handler(service, servicer, boundary) for service, servicer in services)
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )
        self._address = options.address
        self._credentials = options.credentials

    async def start(self) -> str:
        """Listens and serves; the address with its real port. Raises `AddressTaken`."""
        host, _, port = self._address.rpartition(":")
        try:
            if self._credentials is None:
                bound = self._server.add_insecure_port(self._address)
            else:
                bound = self._server.add_secure_port(self._address, self._credentials)
        except RuntimeError:
            bound = 0
        if not bound:
            raise AddressTaken(
                f"cannot listen on {self._address}: port {port} is in use or the host is not this machine's; "
                "choose another with MNEMON_ADDRESS"
            )
        await self._server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        return f"{host}:{bound}"

    async def stop(self, drain_seconds: float) -> None:
        """Refuses new calls, lets running ones end within `drain_seconds`, cuts the rest.

        Nothing that a call uses is needed any more when this returns.
        """
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._boundary.drain()
        await self._server.stop(drain_seconds)
        await self._boundary.settle(_LAST_STEPS_SECONDS)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *self._names):
            await self._health.set(name, status)


def _channel_options(options: RuntimeOptions) -> list[tuple[str, int]]:
    chosen = [
        # The boundary refuses what is larger than its own limit, and says why; gRPC cannot.
        ("grpc.max_receive_message_length", 2 * options.maximum_message_bytes),
        ("grpc.max_send_message_length", options.maximum_message_bytes),
        ("grpc.max_metadata_size", options.maximum_metadata_bytes),
        # Two servers on one port would share its calls in silence.
        ("grpc.so_reuseport", 0),
        # Clients may ping every 10 s also without calls (the SDKs do every 30 s).
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", int(options.keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", int(options.keepalive_timeout_seconds * 1000)),
        # Its own limit, a minute unless it is said, counts for the same pings: a reader who is stopped in
        # the middle of a stream was dropped after that only (grpc 1.85).
        ("grpc.http2.ping_timeout_ms", int(options.keepalive_timeout_seconds * 1000)),
        ("grpc.max_concurrent_streams", 1_000),
        ("grpc.max_allowed_incoming_connections", connections_within(options.maximum_connections)),
        # Who connects and says nothing holds a place for 10 s, not for two minutes.
        ("grpc.server_handshake_timeout_ms", 10_000),
    ]
    if options.maximum_connection_age_seconds:
        chosen.append(("grpc.max_connection_age_ms", int(options.maximum_connection_age_seconds * 1000)))
    return chosen
