"""Times of many calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Times:
    """How long calls took, in milliseconds."""

    milliseconds: list[float] = field(default_factory=list)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Takes the time of one call."""
        begun = time.perf_counter()
        yield
        self.milliseconds.append((time.perf_counter() - begun) * 1000)

    def at(self, percentile: float) -> float:
        """The time that so many percent of the calls did not exceed."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percentile / 100))]
