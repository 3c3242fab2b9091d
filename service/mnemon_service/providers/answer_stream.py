"""Reading an answer that arrives in parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

T = TypeVar("T")


async def take_all(parts: AsyncIterator[T], take: Callable[[T], None], seconds: float) -> None:
    """Gives every part to `take`, until there are no more.

    Raises TimeoutError if nothing comes for `seconds`, and what `parts` and `take` raise.
    """
    while True:
        async with asyncio.timeout(seconds):
            try:
                part = await anext(parts)
            except StopAsyncIteration:
                return
        take(part)
