"""Sends an API key with every call of a channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    """Metadata of calls with this key."""
    return (("authorization", f"Bearer {secret}"),)


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class KeySender(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """For `grpc.intercept_channel`. A call that names a key itself keeps it."""

    def __init__(self, secret: str) -> None:
        self._metadata = bearer(secret)

    def _send(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        given = tuple(details.metadata or ())
        if not any(name == "authorization" for name, _ in given):
            given += self._metadata
        return go_on(
            _Details(
                details.method,
                details.timeout,
                given,
                details.credentials,
                details.wait_for_ready,
                details.compression,
            ),
            request,
        )

    intercept_unary_unary = _send  # type: ignore[assignment]
    intercept_unary_stream = _send  # type: ignore[assignment]
    intercept_stream_unary = _send  # type: ignore[assignment]
    intercept_stream_stream = _send  # type: ignore[assignment]
