"""Lists that are read page by page, as the iteration needs them.

Made from mnemon/_async by tools/generate_sync.py; never edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from mnemon._page import Page

T = TypeVar("T")


class Pager(Generic[T]):
    """A list on the server: iterate over its items, or over its pages.

    Nothing is read before the iteration asks for it, and each iteration begins anew.
    """

    def __init__(self, fetch: Callable[[str], Page[T]], page_token: str = "") -> None:
        self._fetch = fetch
        self._first_token = page_token

    def __iter__(self) -> Iterator[T]:
        """Every item, through all pages."""
        for page in self.pages():
            for item in page.items:
                yield item

    def pages(self) -> Iterator[Page[T]]:
        """Every page."""
        page = self.page()
        yield page
        while page.next_page_token:
            page = self._fetch(page.next_page_token)
            yield page

    def page(self, page_token: str | None = None) -> Page[T]:
        """One page: the one that the token of the page before names, the first one if left out."""
        return self._fetch(self._first_token if page_token is None else page_token)

    def collect(self, limit: int | None = None) -> tuple[T, ...]:
        """All items, or the first so many."""
        items: tuple[T, ...] = ()
        if limit is not None and limit <= 0:
            return items
        for page in self.pages():
            items += page.items
            if limit is not None and len(items) >= limit:
                return items[:limit]
        return items
