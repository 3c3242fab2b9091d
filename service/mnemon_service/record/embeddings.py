"""Vectors that were paid for once: kept by project, embedding space and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.indexed_text import embedded_texts, indexed_text
from mnemon_service.model.memory import Memory, MemoryState
from mnemon_service.model.text_hash import text_hash
from mnemon_service.record.committing import save_embeddings
from mnemon_service.record.database import Database, Work
from mnemon_service.record.dialects import any_of
from mnemon_service.record.queries import ONE
from mnemon_service.record.schema import embeddings, memories
from mnemon_service.record.selection import Vector
from mnemon_service.record.writing import checked_vector

_NO_LIMIT: Final = 2**31 - 1
_FIND: Final = sa.select(embeddings.c.text_hash, embeddings.c.vector).where(
    embeddings.c.project_id == sa.bindparam("project_id"),
    any_of(embeddings.c.text_hash, "hashes"),
    embeddings.c.space == sa.bindparam("space"),
)
_MISSING: Final = (
    sa.select(memories.c.id, memories.c.text, memories.c.attributed_to)
    .where(
        memories.c.project_id == sa.bindparam("project_id"),
        memories.c.id > sa.bindparam("after"),
        memories.c.state.in_(
            [state.value for state in (MemoryState.ACTIVE, MemoryState.SUPERSEDED, MemoryState.DELETED)]
        ),
        ~sa.exists(
            sa.select(ONE).where(
                embeddings.c.project_id == memories.c.project_id,
                embeddings.c.text_hash == memories.c.text_hash,
                embeddings.c.space == sa.bindparam("space"),
            )
        ),
    )
    .order_by(memories.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def vectors_of(
    connection: Connection, project_id: str, space: str, found: Sequence[Memory], *, sentences: bool
) -> list[tuple[Vector, ...]]:
    """For each memory its own vector, then those of its sentences if asked for; none without its own."""
    texts = [
        embedded_texts(memory.text, memory.attributed_to)
        if sentences
        else [indexed_text(memory.text, memory.attributed_to)]
        for memory in found
    ]
    hashes = [[text_hash(text) for text in own] for own in texts]
    wanted = sorted({digest for own in hashes for digest in own})
    if not wanted:
        return []
    rows = connection.execute(_FIND, {"project_id": project_id, "space": space, "hashes": wanted})
    known = {digest: np.frombuffer(data, dtype=np.float32) for digest, data in rows}
    return [
        tuple(known[digest] for digest in own if digest in known) if own[0] in known else () for own in hashes
    ]


class Embeddings:
    """What is known of texts in an embedding space (a model with its dimensions, by name)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, project_id: str, space: str, texts: Sequence[str]) -> dict[str, Vector]:
        """The known vectors, by text."""
        hashes = {text_hash(text): text for text in texts}
        if not hashes:
            return {}
        parameters = {"project_id": project_id, "space": space, "hashes": list(hashes)}

        def work(connection: Connection) -> dict[str, Vector]:
            rows = connection.execute(_FIND, parameters)
            return {hashes[digest]: np.frombuffer(data, dtype=np.float32) for digest, data in rows}

        return await self._database.read(work)

    def of(self, project_id: str, space: str, found: Sequence[Memory]) -> Work[list[tuple[Vector, ...]]]:
        """Reads, as a part of a write (`Write.run`), for each memory its own vector and those of its
        sentences; none without its own."""
        return lambda connection: vectors_of(connection, project_id, space, found, sentences=True)

    async def save(self, project_id: str, space: str, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors outside a write (re-embedding after a change of model)."""
        keyed = {(space, text_hash(text)): checked_vector(vector) for text, vector in vectors.items()}
        dialect = self._database.dialect
        await self._database.write(lambda c: save_embeddings(c, dialect, project_id, keyed))

    async def missing(
        self, project_id: str, space: str, *, limit: int, after: str = ""
    ) -> list[tuple[str, list[str]]]:
        """Id and texts to embed (`model.indexed_text.embedded_texts`, its own first) of present memories
        whose own text has no vector in this space, by id, after an id."""
        parameters = {"project_id": project_id, "space": space, "limit": limit, "after": after}

        def work(connection: Connection) -> list[tuple[str, list[str]]]:
            rows = connection.execute(_MISSING, parameters)
            return [(row.id, embedded_texts(row.text, row.attributed_to)) for row in rows]

        return await self._database.read(work)

    async def count_missing(self, project_id: str, space: str) -> int:
        """How many memories `missing` gives in all."""
        query = sa.select(sa.func.count()).select_from(_MISSING.order_by(None).subquery())
        parameters = {"project_id": project_id, "space": space, "limit": _NO_LIMIT, "after": ""}
        return await self._database.read(lambda c: int(c.scalar(query, parameters) or 0))
