"""What goes with every call: the key and, where OpenTelemetry is installed, the trace."""

from __future__ import annotations

import uuid
from collections.abc import Callable, MutableMapping

_Inject = Callable[[MutableMapping[str, str]], None]


def _find_injector() -> _Inject | None:
    try:
        from opentelemetry import propagate
    except ImportError:
        return None
    return propagate.inject


_inject = _find_injector()


def call_metadata(api_key: str) -> tuple[tuple[str, str], ...]:
    """The metadata of one call: `authorization`, and the current span's W3C context if there is one."""
    carrier: dict[str, str] = {}
    if _inject is not None:
        _inject(carrier)
    if api_key:
        carrier["authorization"] = f"Bearer {api_key}"
    return tuple((key.lower(), value) for key, value in carrier.items())


def new_request_id() -> str:
    """An id that makes one write safe to repeat."""
    return str(uuid.uuid4())
