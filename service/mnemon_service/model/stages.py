"""How long each part of a call takes: one measure for the answer's figures and for the trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from opentelemetry import trace

_tracer = trace.get_tracer("mnemon_service")
_NO_SPAN: Final = nullcontext(trace.INVALID_SPAN)


class Stages:
    """The stages of one call, in the order they began. Costs microseconds when nothing is traced."""

    __slots__ = ("_begun", "_milliseconds")

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._milliseconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[trace.Span]:
        """Measures the block as stage `name` and makes it a child span of the call's span.

        A stage that runs several times adds up.
        """
        begun = time.perf_counter()
        # Without a trace around it there is nothing to be a child of: six times 20 µs a search are spared.
        traced = trace.get_current_span().is_recording()
        with _tracer.start_as_current_span(name) if traced else _NO_SPAN as span:
            self._milliseconds.setdefault(name, 0.0)
            try:
                yield span
            finally:
                self._milliseconds[name] += (time.perf_counter() - begun) * 1000

    @property
    def milliseconds(self) -> dict[str, float]:
        """Wall time of each stage so far."""
        return dict(self._milliseconds)

    @property
    def total_milliseconds(self) -> float:
        """Wall time since the call began."""
        return (time.perf_counter() - self._begun) * 1000
