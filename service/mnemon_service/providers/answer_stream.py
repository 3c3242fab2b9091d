"""Reading an answer that arrives in parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mnemon_service.providers.structured_answer import Completion

Part = TypeVar("Part")
Taken = TypeVar("Taken", contravariant=True)


@dataclass(slots=True)
class Lost:
    """Tokens of streamed tries that broke off: the provider counts them, though nothing came of them."""

    input_tokens: int = 0
    output_tokens: int = 0


class AnswerInParts(Protocol[Taken]):
    """What was said so far."""

    def take(self, part: Taken) -> None:
        """The next part."""
        ...

    @property
    def tokens(self) -> tuple[int, int]:
        """Read and written, as far as the provider told."""
        ...

    def completion(self) -> Completion:
        """The answer. Raises ValueError if it ended without telling why."""
        ...


async def read_stream(
    parts: AsyncIterator[Part], answer: AnswerInParts[Part], seconds: float, lost: Lost
) -> Completion:
    """What the parts make together.

    Raises TimeoutError if nothing comes for `seconds`, ValueError for a stream that ends too early, and
    what `parts` raises; `lost` is then charged with the tokens told so far.
    """
    try:
        while True:
            async with asyncio.timeout(seconds):
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return answer.completion()
            answer.take(part)
    except BaseException:
        read, wrote = answer.tokens
        lost.input_tokens += read
        lost.output_tokens += wrote
        raise
