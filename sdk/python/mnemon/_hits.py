"""The order of hits as a stream revises it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mnemon._types import LiveSearchResponse, Move, Revision, SearchHit


def hit_id(hit: SearchHit) -> str:
    """The id of the memory or message that was found."""
    found = hit.memory or hit.message
    return found.id if found is not None else ""


class HitBoard:
    """The hits as they stand now, best first."""

    def __init__(self) -> None:
        self._hits: dict[str, SearchHit] = {}

    @property
    def hits(self) -> tuple[SearchHit, ...]:
        """The hits by rank."""
        return tuple(sorted(self._hits.values(), key=lambda hit: hit.rank))

    def add(self, hits: Iterable[SearchHit]) -> None:
        """Takes in new hits."""
        self._hits.update((hit_id(hit), hit) for hit in hits)

    def revise(self, revision: Revision) -> None:
        """Takes in a new order."""
        self._move(revision.moves)

    def apply(self, change: LiveSearchResponse) -> None:
        """Takes in what changed between two answers of a live search."""
        for gone in change.removed_memory_ids:
            self._hits.pop(gone, None)
        self._move(change.moved)
        self.add(change.added)

    def _move(self, moves: Iterable[Move]) -> None:
        for move in moves:
            hit = move.hit or self._hits.get(move.memory_id)
            if move.to_rank == 0:
                self._hits.pop(move.memory_id, None)
            elif hit is not None:
                self._hits[move.memory_id] = replace(hit, rank=move.to_rank, score=move.score)
