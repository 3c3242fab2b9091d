"""Logs: JSON lines with the trace id, readable lines on a terminal; never the content of memories."""

from __future__ import annotations

import atexit
import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from opentelemetry import trace

from mnemon_service.server.log_lines import LogLines

_LAST_SECONDS: Final = 2.0
"""How long a process that ends waits for a stream that does not take its last lines."""


def configure_logs(level: str, form: str) -> LogLines:
    """Sets up structlog and the standard library's logging, both to standard error, which is returned.

    `form` is `json`, `console`, or `auto`: console on a terminal, JSON elsewhere.
    """
    lines = LogLines(sys.stderr)
    atexit.register(lines.drain, _LAST_SECONDS)
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_id,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(lines),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(lines)
    foreign = [*shared, _without_messages]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=foreign, processor=renderer))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Libraries that would print what they were asked: queries, texts, whole requests.
    for name in ("pymilvus", "milvus_lite", "openai", "httpx", "google_genai", "anthropic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return lines


def describe(exception: BaseException) -> dict[str, object]:
    """An exception's type and frames without its message: messages of libraries may hold content."""
    frames = traceback.extract_tb(exception.__traceback__)
    return {
        "exception": f"{type(exception).__module__}.{type(exception).__qualname__}",
        "frames": [
            f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-12:]
        ],
    }


def _without_messages(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What libraries log of an exception, without its message."""
    info = event.pop("exc_info", None)
    exception = info[1] if isinstance(info, tuple) else info
    if isinstance(exception, BaseException):
        event.update(describe(exception))
    return event


def _add_trace_id(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event
