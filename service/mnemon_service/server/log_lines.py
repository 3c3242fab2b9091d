"""Lines on their way to a stream that may be slow: whoever logs never waits for it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final, TextIO

MAXIMUM_WAITING: Final = 10_000
"""Lines kept for a stream that does not take them: about 3 MB."""
_GATHER_SECONDS: Final = 0.02
"""After a write more lines are gathered for so long: to wake the thread for each would cost every call the
change of threads."""


class LogLines:
    """A text stream that hands what is written to a thread of its own.

    A pipe whose reader stands still blocks a `write` for ever; in the event loop that would be the end of
    the server. Here lines wait, at most `maximum` of them; of more the oldest are dropped, and the next
    line that gets through is preceded by one that says how many.

    Each `write` is one whole line, as structlog writes them.
    """

    def __init__(self, stream: TextIO, maximum: int = MAXIMUM_WAITING) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._maximum = maximum
        self._dropped = 0
        self._changed = threading.Condition()
        self._idle = False
        """True while the thread waits for a first line."""
        self._draining = False
        threading.Thread(target=self._run, name="log-lines", daemon=True).start()

    def write(self, line: str) -> int:
        """Takes a line; its length."""
        with self._changed:
            if len(self._waiting) >= self._maximum:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(line)
            if self._idle:
                self._idle = False
                self._changed.notify_all()
        return len(line)

    def flush(self) -> None:
        """Nothing: each line goes out as soon as the stream takes it."""

    def drain(self, seconds: float) -> bool:
        """Waits until all lines are written, or so long; true if they are."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._idle and not self._waiting, seconds)
            finally:
                self._draining = False

    def _run(self) -> None:
        while True:
            lines, dropped = self._taken()
            try:
                if dropped:
                    self._stream.write(f"{dropped} log lines were dropped: nobody read them\n")
                self._stream.write(lines)
                self._stream.flush()
            except (OSError, ValueError):
                # The reader is gone or the stream closed: there is nobody left to tell.
                continue

    def _taken(self) -> tuple[str, int]:
        """All lines that wait, at least one, and how many were dropped before them."""
        with self._changed:
            self._changed.wait_for(lambda: self._draining, _GATHER_SECONDS)
            if not self._waiting:
                self._idle = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                self._idle = False
            lines, dropped = "".join(self._waiting), self._dropped
            self._waiting.clear()
            self._dropped = 0
            return lines, dropped
