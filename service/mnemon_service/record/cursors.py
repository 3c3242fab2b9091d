"""How far each index has applied each project's log."""

from __future__ import annotations


class IndexCursors:
    """One position for each pair of project and index."""

    async def positions(self, index_name: str) -> dict[str, int]:
        """By project, for every project: up to where the index has applied the log, 0 if never."""
        raise NotImplementedError

    async def behind(self, index_name: str) -> dict[str, tuple[int, int]]:
        """Projects whose log goes beyond the index: cursor and end of the log, by project."""
        raise NotImplementedError

    async def set(self, project_id: str, index_name: str, sequence: int) -> None:
        """Move a cursor forward; a smaller position than the present one is ignored."""
        raise NotImplementedError

    async def reset(self, project_id: str, index_name: str, sequence: int = 0) -> None:
        """Put a cursor anywhere, backwards too: after a rebuild or damage."""
        raise NotImplementedError
