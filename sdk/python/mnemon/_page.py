"""One page of a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a list, and where the next ones are."""

    items: tuple[T, ...]
    """In the list's order."""
    next_page_token: str = ""
    """Gets the next page; empty after the last."""
    sequence: int = 0
    """The place in the project's log that the pages show, where the list says so; else 0."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
