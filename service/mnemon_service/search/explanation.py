"""Why a hit stands where it does, worked out only for those who ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mnemon_service.model.text_analysis import tokenize
from mnemon_service.search.question import Prepared, Reasons
from mnemon_service.search.ranking.candidate import RankedHit, ScoreParts
from mnemon_service.search.retrieval import ENTITY, KEYWORD, SEMANTIC

Key = Callable[[RankedHit], float]


class Explainer:
    """Explains the hits of one search."""

    def __init__(self, prepared: Prepared, order: Sequence[RankedHit]) -> None:
        self._query = prepared.query
        self._weights = {part: float(getattr(prepared.weights, part)) for part in ScoreParts._fields}
        self._ranks = {
            arm: _ranks(order, key, prepared.limit)
            for arm, key in (
                (SEMANTIC, lambda hit: hit.candidate.cosine),
                (KEYWORD, lambda hit: hit.parts.keyword),
                (ENTITY, lambda hit: float(len(self._named(hit)))),
            )
        }

    def reasons(self, hit: RankedHit) -> Reasons:
        """Why this hit stands where it does."""
        counts = hit.candidate.term_counts
        return Reasons(
            arm_ranks={
                arm: ranks[hit.memory_id] for arm, ranks in self._ranks.items() if hit.memory_id in ranks
            },
            matched_terms=tuple(term for term in self._query.terms if term in counts),
            matched_entities=self._named(hit),
            weights=self._weights,
            raw_score=hit.parts.weighted_sum,
        )

    def _named(self, hit: RankedHit) -> tuple[str, ...]:
        """The names of the query whose words the memory has among its entities."""
        held = {token for entity in hit.candidate.entities for token in tokenize(entity)}
        named = ((name, tokenize(name)) for name in self._query.names) if held else ()
        return tuple(name for name, tokens in named if tokens and held.issuperset(tokens))


def _ranks(order: Sequence[RankedHit], key: Key, limit: int) -> dict[str, int]:
    """Places from 1 in the list that `key` orders; only what it found at all, and as far as it went."""
    listed = sorted((hit for hit in order if key(hit) > 0.0), key=lambda hit: (-key(hit), hit.memory_id))
    return {hit.memory_id: place for place, hit in enumerate(listed[:limit], start=1)}
