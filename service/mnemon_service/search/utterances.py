"""What a speaker said and nobody answered yet: bounded, however fast it comes and however slow the reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Final

FINISHED_AT_MOST: Final = 16
"""Finished utterances that wait for their answer; with more of them the speaker is not read any further."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """The whole text so far."""

    text: str
    final: bool = False


class Utterances:
    """Between the one who reads the speaker and the one who answers.

    Of unfinished utterances only the newest counts; finished ones are answered one by one.
    """

    def __init__(self, debounce: float, longest_wait: float) -> None:
        self._debounce = debounce
        self._longest_wait = longest_wait
        self._waiting: deque[Utterance] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False

    async def put(self, utterance: Utterance) -> None:
        """Takes in what was said; waits while too many finished utterances are unanswered."""
        while len(self._waiting) >= FINISHED_AT_MOST:
            self._room.clear()
            await self._room.wait()
        if self._waiting and not self._waiting[-1].final:
            self._waiting.pop()
        self._waiting.append(utterance)
        self._changed.set()

    def end(self) -> None:
        """Nothing more will be said."""
        self._ended = True
        self._changed.set()

    async def next(self) -> Utterance | None:
        """What to answer next: a finished utterance at once, an unfinished one when the speaker pauses or
        has spoken on for the longest wait. None when all is answered and nothing more comes."""
        while not self._waiting:
            if self._ended:
                return None
            await self._change(None)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._longest_wait
        while not (self._waiting[0].final or self._ended):
            left = min(self._debounce, deadline - loop.time())
            if not await self._change(left):
                break
        self._room.set()
        return self._waiting.popleft()

    async def _change(self, timeout: float | None) -> bool:
        """True as soon as something is said, False after `timeout` seconds."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        return self._changed.is_set()
