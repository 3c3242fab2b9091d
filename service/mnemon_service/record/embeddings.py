"""Vectors that were paid for once: kept by project, embedding space and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mnemon_service.record.selection import Vector


class Embeddings:
    """What is known of texts in an embedding space (a model with its dimensions, by name)."""

    async def find(self, project_id: str, space: str, texts: Sequence[str]) -> dict[str, Vector]:
        """The known vectors, by text."""
        raise NotImplementedError

    async def save(self, project_id: str, space: str, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors outside a write (re-embedding after a change of model)."""
        raise NotImplementedError

    async def missing(
        self, project_id: str, space: str, *, limit: int, after: str = ""
    ) -> list[tuple[str, str]]:
        """Id and text of present memories without a vector in this space, by id, after an id."""
        raise NotImplementedError
