"""What is known already, for the write path: the nearest memories to new texts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mnemon_service.model.memory import Memory
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Vector
from mnemon_service.record.times import Clock
from mnemon_service.search.question import Prepared, Question
from mnemon_service.search.ranking.query_analysis import AnalyzedQuery
from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS
from mnemon_service.search.retrieval import Place, Places

_SPARE: Final = 5
"""Candidates beyond the limit: some may have expired."""
_WEIGHTS: Final = DEFAULT_WEIGHTS.semantic_only()


@dataclass(frozen=True, slots=True)
class Near:
    """An active memory and how near its meaning is."""

    memory: Memory
    cosine: float
    """Of the nearest of its vectors, -1..1."""


class Recall:
    """Finds the memories that new facts may repeat or contradict."""

    def __init__(self, record: Record, places: Places, now: Clock) -> None:
        self._record = record
        self._places = places
        self._now = now

    async def nearest(
        self, access: Access, scope: Scope, vectors: Sequence[Vector], limit: int
    ) -> list[list[Near]]:
        """For each vector the nearest active memories of the scope, nearest first, at most `limit`.

        Exact for a scope that fits into memory, and up to date with every committed write. Raises
        `Unavailable` (INDEX_UNAVAILABLE) if a larger scope's index is away.
        """
        allowed = scope.narrowed_by(access.bound)
        if allowed is None or not len(vectors) or limit < 1:
            return [[] for _ in vectors]
        question = Question(access, allowed, "", self._now())
        place = await self._places.open(question)
        found = await asyncio.gather(
            *(self._listed(place, question, vector, limit + _SPARE) for vector in vectors)
        )
        ids = sorted({memory_id for listed in found for memory_id, _ in listed})
        memories = await self._record.memories.hydrate(access, ids, question.selection)
        return [
            [Near(memories[memory_id], cosine) for memory_id, cosine in listed if memory_id in memories][
                :limit
            ]
            for listed in found
        ]

    async def _listed(
        self, place: Place, question: Question, vector: Vector, limit: int
    ) -> list[tuple[str, float]]:
        query = AnalyzedQuery("", question.reference_time)
        found = await place.find(Prepared(question, query, vector, _WEIGHTS, limit, 0))
        nearest = [(candidate.memory_id, candidate.cosine) for candidate in found.candidates]
        return sorted(nearest, key=lambda pair: (-pair[1], pair[0]))[:limit]
