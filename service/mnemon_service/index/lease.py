"""The right to write to the index: an index that several replicas share has one writer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol


class Lease(Protocol):
    """Milvus has no write that depends on what is there: two writers that both compared before they wrote
    put an older row in the place of a newer one. So only the lease's holder writes."""

    @property
    def term(self) -> int:
        """Counts how often this process came to hold it: what it knew of the index before may be old."""
        ...

    def is_held(self) -> bool:
        """Whether this process may begin to write."""
        ...

    def is_valid(self) -> bool:
        """Whether nobody else can have begun to write."""
        ...

    def using(self) -> AbstractAsyncContextManager[None]:
        """Held within the block, and asked for if another replica holds it: that one hands it on when what
        it is doing has ended. Not to be nested.

        Raises `Unavailable` (INDEX_UNAVAILABLE, with `retry_after`) if that takes too long.
        """
        ...

    def keep(self) -> AbstractContextManager[None]:
        """Not handed on within the block, which begins inside one of `using` and may outlast it."""
        ...

    def require(self) -> None:
        """Raises `Unavailable` if this process has lost it: in the middle of long work."""
        ...

    def on_gain(self, callback: Callable[[bool], None]) -> None:
        """Called each time this process comes to hold it; True if the last holder fell silent instead of
        handing it on, so that what it sent may still be on its way."""
        ...


class SoleWriter:
    """The lease of an index that belongs to one process, as one on Milvus Lite does."""

    term = 1

    def is_held(self) -> bool:
        """Always."""
        return True

    def is_valid(self) -> bool:
        """Always."""
        return True

    def using(self) -> AbstractAsyncContextManager[None]:
        """At once."""
        return contextlib.nullcontext()

    def keep(self) -> AbstractContextManager[None]:
        """It is never handed on."""
        return contextlib.nullcontext()

    def require(self) -> None:
        """Nothing is ever lost."""

    def on_gain(self, callback: Callable[[bool], None]) -> None:
        """It is never gained: it is there from the start."""
