"""Reads of memories: now, in the past, in pages."""

from __future__ import annotations

from collections.abc import Sequence

from mnemon_service.model.memory import Memory
from mnemon_service.record.selection import (
    DEFAULT_PAGE_SIZE,
    Access,
    AsOf,
    Order,
    Page,
    ScopeRow,
    Selection,
)


class Memories:
    """What is remembered. All reads drop what lies out of the access and what has expired."""

    async def get(
        self,
        access: Access,
        memory_id: str,
        *,
        as_of: AsOf | None = None,
        show_superseded: bool = True,
        show_deleted: bool = False,
    ) -> Memory:
        """One memory. Raises `NotFound` for an unknown, foreign, deleted, expired or erased one."""
        raise NotImplementedError

    async def batch_get(
        self,
        access: Access,
        memory_ids: Sequence[str],
        *,
        as_of: AsOf | None = None,
        show_superseded: bool = True,
        show_deleted: bool = False,
    ) -> list[Memory]:
        """The memories in the order of the ids. Raises `NotFound` if one is missing, naming it."""
        raise NotImplementedError

    async def hydrate(
        self, access: Access, memory_ids: Sequence[str], selection: Selection = Selection()
    ) -> dict[str, Memory]:
        """Those of the ids that the selection holds now, by id; the others are left out. One query."""
        raise NotImplementedError

    async def list(
        self,
        access: Access,
        selection: Selection,
        *,
        order: Order = Order(),
        page_size: int = DEFAULT_PAGE_SIZE,
        page_token: str = "",
    ) -> Page:
        """A page of the selection, sorted.

        All pages of one list show the log position of its first page, so nothing is skipped and nothing
        comes twice while others write; what was deleted, superseded or expired meanwhile is left out (so
        a later page may be shorter than asked for).

        Raises `InvalidArgument` (PAGE_TOKEN_INVALID) for a token that is damaged or belongs to another
        query, `OutOfRange` (HISTORY_ERASED) for a position past the end of the log.
        """
        raise NotImplementedError

    async def count(self, access: Access, selection: Selection, *, at_most: int | None = None) -> int:
        """How many memories the selection holds; stops counting at `at_most`."""
        raise NotImplementedError

    async def scope_rows(
        self, access: Access, owner: str, space: str, *, limit: int | None = None
    ) -> tuple[list[ScopeRow], int]:
        """Every active memory of an owner (`Scope.owner`) with its vector, oldest first, in one query, and
        the log position that they show. With `limit`, at most so many (then the newest are missing)."""
        raise NotImplementedError
