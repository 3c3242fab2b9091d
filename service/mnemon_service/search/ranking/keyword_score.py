"""BM25 as a share of what the query could reach at best.

Dividing by the best hit of the query, as is usual, makes every score depend on what else was found
and calls the best of many bad matches perfect. The bound that only the query and the scope's
statistics set does neither, and measured the same (79.6 / 62.0 against 79.2 / 61.8).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from mnemon_service.search.ranking.candidate import TermStatistics


def inverse_document_frequency(memory_count: int, holding: int) -> float:
    """How much a term tells: Lucene's form of Robertson's idf, which is never negative."""
    return math.log(1.0 + (memory_count - holding + 0.5) / (holding + 0.5))


class KeywordScorer:
    """Scores memories of one scope against the terms of one query.

    Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), eq. 3.15.
    A term that no memory holds still counts in what could be reached: a query of which half the words
    are unknown cannot be matched fully.
    """

    def __init__(
        self, terms: Iterable[str], statistics: TermStatistics, k1: float = 0.9, b: float = 0.4
    ) -> None:
        count = statistics.memory_count
        frequencies = statistics.document_frequencies
        # Sorted, so that sums of floats come out equal in every process.
        self.weights = {
            term: inverse_document_frequency(count, min(frequencies.get(term, 0), count))
            for term in sorted(set(terms))
        }
        """The idf of each distinct term."""
        self._k1 = k1
        self._length_base = k1 * (1.0 - b)
        self._length_slope = k1 * b / max(statistics.average_length, 1e-9)
        self.reach = sum(self.weights.values()) * (k1 + 1.0)
        """The sum that no memory can pass, however often it holds every term."""

    def part(self, term_counts: Mapping[str, int], length: int) -> float:
        """The keyword part of a memory, 0..1."""
        if self.reach <= 0.0:
            return 0.0
        saturation = self._length_base + self._length_slope * length
        total = 0.0
        for term, weight in self.weights.items():
            if frequency := term_counts.get(term, 0):
                total += weight * frequency / (frequency + saturation)
        return total * (self._k1 + 1.0) / self.reach
