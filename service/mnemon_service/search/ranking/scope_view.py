"""All memories of one owner in memory, searched exactly.

A view answers a repeated search of one user without the index: every vector is compared (no
approximation, so no recall is lost) and the term statistics are those of the scope at this moment.
It is built from the record, fed by the log, and thrown away whenever that is easier than repairing it.

What is deleted is blanked at once; only its words, apart from any memory, stay in the vocabulary until
the next packing. After an erasure, throw the view away.

A view is not locked: use it from one thread, or from one event loop (no method waits).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

import numpy as np

from mnemon_service.model.memory import EventTime, MemoryState, Role
from mnemon_service.model.text_analysis import tokenize
from mnemon_service.search.ranking.candidate import Candidate, TermStatistics
from mnemon_service.search.ranking.keyword_score import inverse_document_frequency
from mnemon_service.search.ranking.query_analysis import AnalyzedQuery
from mnemon_service.search.ranking.view_arrays import Mask, Scores, Slots, Vectors, ViewArrays, best_slots
from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS, Weights

_Key = TypeVar("_Key")

_DEAD_SHARE: Final = 0.25
"""Share of replaced and deleted rows at which the arrays are packed again."""
_DEAD_FLOOR: Final = 32
"""Fewer dead rows than this are never worth packing."""
_ROW_BYTES: Final = 1000
"""A row's Python objects besides its strings, about: ids, times, the places it is listed in."""


@dataclass(frozen=True, slots=True)
class ViewRow:
    """One memory as the view needs it, made by the caller from the record."""

    memory_id: str
    vectors: Vectors
    """One vector a row, each of length 1: the memory's own and, if wanted, one for each of its sentences;
    the best one counts. Shape (0, dimension) for a memory without vectors."""
    term_counts: Mapping[str, int]
    """`model.text_analysis.term_counts` of the indexed text."""
    role: Role | None = None
    attributed_to: str = ""
    run_id: str = ""
    session: str = ""
    run_position: int = 0
    event_time: EventTime | None = None
    observed_time: datetime | None = None
    """When it was said or, if unknown, when it was stored."""
    update_time: datetime | None = None
    state: MemoryState = MemoryState.ACTIVE
    entities: tuple[str, ...] = ()
    payload: object = None
    """Whatever the caller's predicates look at (the memory, say); the view does not read it."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a view found."""

    candidates: list[Candidate]
    """In slot order, which is none; `fusion.fuse` orders them."""
    statistics: TermStatistics
    """Of all memories in the view, also of those that the mask leaves out: a filter must not change
    what a word is worth."""
    dense_count: int = 0
    """Candidates that the vectors found."""
    keyword_count: int = 0
    """Candidates that the words found."""
    entity_count: int = 0
    """Candidates that the names found."""
    neighbour_count: int = 0
    """Candidates that are here only for standing beside another."""


@dataclass(frozen=True, slots=True)
class _Keywords:
    """What the words of a query found."""

    statistics: TermStatistics
    scores: Scores
    terms: list[str]
    places: Slots
    slots: Slots
    frequencies: Scores

    def counts(self, chosen: Slots, used: int) -> dict[int, dict[str, int]]:
        """The counts of the query's terms in each of these slots."""
        wanted = np.zeros(used, np.bool_)
        wanted[chosen] = True
        held = wanted[self.slots]
        counts: dict[int, dict[str, int]] = {}
        entries = (self.slots[held], self.places[held], self.frequencies[held])
        for slot, place, frequency in zip(*(entry.tolist() for entry in entries), strict=True):
            counts.setdefault(slot, {})[self.terms[place]] = int(frequency)
        return counts


@dataclass(slots=True)
class _Lists:
    """Where to look up slots by what is exact: id, place in a conversation, entity token."""

    slots: dict[str, int] = field(default_factory=dict)
    places: dict[tuple[str, str, int], set[int]] = field(default_factory=dict)
    entities: dict[str, set[int]] = field(default_factory=dict)

    def add(self, row: ViewRow, slot: int) -> None:
        """List a row under its slot."""
        self.slots[row.memory_id] = slot
        if row.run_position:
            self.places.setdefault((row.run_id, row.session, row.run_position), set()).add(slot)
        for token in _entity_tokens(row):
            self.entities.setdefault(token, set()).add(slot)

    def remove(self, row: ViewRow, slot: int) -> None:
        """Take a row off every list."""
        del self.slots[row.memory_id]
        if row.run_position:
            _discard(self.places, (row.run_id, row.session, row.run_position), slot)
        for token in _entity_tokens(row):
            _discard(self.entities, token, slot)


class ScopeView:
    """An exact index of one owner's memories."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        """Length of every vector."""
        self._arrays = ViewArrays(dimension)
        self._rows: list[ViewRow | None] = []
        self._lists = _Lists()
        self._row_bytes = 0
        self._nothing = np.zeros((0, dimension), np.float32)

    @classmethod
    def build(cls, rows: Iterable[ViewRow], dimension: int) -> ScopeView:
        """A view of these rows; of several with one id the last counts."""
        view = cls(dimension)
        view.apply(rows)
        return view

    def __len__(self) -> int:
        """Memories in the view."""
        return len(self._lists.slots)

    def __contains__(self, memory_id: str) -> bool:
        """True if the view holds the memory."""
        return memory_id in self._lists.slots

    @property
    def size_in_bytes(self) -> int:
        """About what the view takes: exact for the arrays, an estimate for the rows. Payloads not counted."""
        return self._arrays.size_in_bytes + self._row_bytes

    def vectors_of(self, memory_id: str) -> Vectors:
        """The vectors of a memory, for `diversity.diversify`; none for an unknown id."""
        slot = self._lists.slots.get(memory_id)
        return self._nothing if slot is None else self._arrays.vectors_of(slot)

    def payload_of(self, memory_id: str) -> object:
        """What the caller gave with a memory; None for an unknown id."""
        slot = self._lists.slots.get(memory_id)
        row = None if slot is None else self._rows[slot]
        return None if row is None else row.payload

    def apply(self, upserts: Iterable[ViewRow] = (), deletions: Iterable[str] = ()) -> None:
        """Take in a change of the log: new and changed rows, then ids to forget (unknown ones are fine).

        Raises ValueError, with nothing changed, if a vector has another length than the view's.
        """
        rows = list({row.memory_id: row for row in upserts}.values())
        for row in rows:
            if row.vectors.ndim != 2 or row.vectors.shape[1] != self.dimension:
                raise ValueError(f"vectors of shape {row.vectors.shape} in a view of {self.dimension}")
        terms = sum(len(row.term_counts) for row in rows)
        self._arrays.reserve(len(rows), sum(len(row.vectors) for row in rows), terms)
        for row in rows:
            self._forget(row.memory_id)
            self._append(row)
        for memory_id in deletions:
            self._forget(memory_id)
        dead = self._arrays.used - len(self)
        if dead > _DEAD_FLOOR and dead > _DEAD_SHARE * self._arrays.used:
            self._pack()

    def mask(
        self,
        states: Sequence[MemoryState] = (MemoryState.ACTIVE,),
        predicate: Callable[[ViewRow], bool] | None = None,
    ) -> Mask:
        """Which memories may be returned: those in one of these states for which the predicate holds.

        Good until the next `apply`. The predicate gets the row without its vectors and term counts.
        """
        mask = self._arrays.in_states(states)
        if predicate is not None:
            for slot in np.flatnonzero(mask).tolist():
                row = self._rows[slot]
                mask[slot] = row is not None and predicate(row)
        return mask

    def retrieve(
        self,
        query: AnalyzedQuery,
        query_vector: Vectors | None,
        limit: int = 100,
        mask: Mask | None = None,
        weights: Weights = DEFAULT_WEIGHTS,
        expand_best: int = 30,
        also: Iterable[str] = (),
    ) -> Retrieval:
        """The union of the `limit` nearest, best matching and named memories, those `also` named by id, and
        what stands beside the `expand_best` best of them in their conversations; with the exact statistics
        of the scope.

        `query_vector` has length 1, so that a dot product is a cosine; None searches by words alone.
        A mask (see `mask`; None for all active memories) applies before the choice: a filter never costs
        hits.
        """
        arrays = self._arrays
        allowed = self.mask() if mask is None else mask
        keywords = self._keywords(query, weights)
        if query_vector is None:
            cosines = np.zeros(arrays.used, np.float32)
        else:
            cosines = arrays.cosines(np.asarray(query_vector, np.float32))
        slots = np.flatnonzero(allowed)
        together = weights.semantic * cosines + weights.keyword * keywords.scores
        dense = best_slots(cosines, slots, 0 if query_vector is None else limit)
        worded = best_slots(keywords.scores, slots[keywords.scores[slots] > 0.0], limit)
        named = best_slots(together, self._named(query, allowed), limit)
        direct = np.unique(np.concatenate((dense, worded, named, self._allowed(also, allowed))))
        chosen = self._with_neighbours(
            direct, best_slots(together, direct, expand_best), allowed, weights.neighbour_reach
        )
        return Retrieval(
            candidates=self._candidates(chosen, cosines, keywords.counts(chosen, arrays.used)),
            statistics=keywords.statistics,
            dense_count=len(dense),
            keyword_count=len(worded),
            entity_count=len(named),
            neighbour_count=len(chosen) - len(direct),
        )

    def _append(self, row: ViewRow) -> None:
        slot = self._arrays.append(row.vectors, row.term_counts, row.state)
        # The arrays hold the vectors and counts now; a second copy would double the size.
        kept = replace(row, vectors=self._nothing, term_counts={})
        self._rows.append(kept)
        self._lists.add(kept, slot)
        self._row_bytes += _row_size(kept)

    def _forget(self, memory_id: str) -> None:
        slot = self._lists.slots.get(memory_id)
        row = None if slot is None else self._rows[slot]
        if slot is None or row is None:
            return
        self._rows[slot] = None
        self._arrays.forget(slot)
        self._lists.remove(row, slot)
        self._row_bytes -= _row_size(row)

    def _pack(self) -> None:
        """Leave out dead slots. The order of the others stays."""
        self._arrays = self._arrays.packed()
        self._rows = [row for row in self._rows if row is not None]
        self._lists = _Lists()
        for slot, row in enumerate(self._rows):
            if row is not None:
                self._lists.add(row, slot)

    def _keywords(self, query: AnalyzedQuery, weights: Weights) -> _Keywords:
        """Statistics of the scope and the keyword part of each slot, as `KeywordScorer` computes it."""
        arrays, alive = self._arrays, len(self)
        lengths = arrays.lengths
        average = max(float(lengths.sum()) / alive, 1e-9) if alive else 1.0
        # The tokens of phrases are looked up for the entity part; only terms earn a keyword score.
        others = {token for phrase in query.phrases for token in phrase} - set(query.terms)
        terms = [*query.terms, *sorted(others)]
        postings = arrays.postings(terms)
        holding = np.bincount(postings.terms, minlength=len(terms)).tolist()
        idf = np.array([inverse_document_frequency(alive, count) for count in holding], np.float32)
        idf[len(query.terms) :] = 0.0
        saturation = weights.bm25_k1 * (1.0 - weights.bm25_b + weights.bm25_b * lengths / average)
        held = postings.frequencies
        earned = idf[postings.terms] * held / (held + saturation[postings.slots])
        scores = np.bincount(postings.slots, earned, minlength=arrays.used).astype(np.float32)
        reach = float(idf.sum())
        return _Keywords(
            statistics=TermStatistics(alive, average, dict(zip(terms, holding, strict=True))),
            scores=scores / np.float32(reach) if reach > 0.0 else scores,
            terms=terms,
            places=postings.terms,
            slots=postings.slots,
            frequencies=held,
        )

    def _named(self, query: AnalyzedQuery, allowed: Mask) -> Slots:
        """The allowed slots that have one of the query's names as an entity."""
        found: set[int] = set()
        for name in query.names:
            held = [self._lists.entities.get(token, set()) for token in tokenize(name)]
            if held:
                found |= set.intersection(*held)
        slots = np.array(sorted(found), np.intp)
        return slots[allowed[slots]]

    def _allowed(self, memory_ids: Iterable[str], allowed: Mask) -> Slots:
        """The slots of those of the ids that the view holds and the mask allows."""
        held = (self._lists.slots.get(memory_id) for memory_id in memory_ids)
        slots = np.array([slot for slot in held if slot is not None], np.intp)
        return slots[allowed[slots]]

    def _with_neighbours(self, direct: Slots, best: Slots, allowed: Mask, reach: int) -> Slots:
        """The direct hits and the allowed slots beside the best of them."""
        beside: set[int] = set()
        for slot in best.tolist():
            row = self._rows[slot]
            if row is None or not row.run_position:
                continue
            for place in range(row.run_position - reach, row.run_position + reach + 1):
                beside |= self._lists.places.get((row.run_id, row.session, place), set())
        slots = np.array(sorted(beside), np.intp)
        return np.union1d(direct, slots[allowed[slots]])

    def _candidates(
        self, chosen: Slots, cosines: Scores, counts: Mapping[int, Mapping[str, int]]
    ) -> list[Candidate]:
        lengths = self._arrays.lengths
        return [
            Candidate(
                memory_id=row.memory_id,
                cosine=cosine,
                term_counts=counts.get(slot, {}),
                length=int(length),
                role=row.role,
                attributed_to=row.attributed_to,
                run_id=row.run_id,
                session=row.session,
                run_position=row.run_position,
                event_time=row.event_time,
                observed_time=row.observed_time,
                update_time=row.update_time,
                state=row.state,
                entities=row.entities,
            )
            for slot, cosine, length in zip(
                chosen.tolist(), cosines[chosen].tolist(), lengths[chosen].tolist(), strict=True
            )
            if (row := self._rows[slot]) is not None
        ]


def _entity_tokens(row: ViewRow) -> set[str]:
    return {token for entity in row.entities for token in tokenize(entity)}


def _row_size(row: ViewRow) -> int:
    """Bytes of a row's objects, about: a string takes 50 and one a character."""
    strings = (row.memory_id, row.attributed_to, row.run_id, row.session, *row.entities)
    return _ROW_BYTES + sum(50 + len(string) for string in strings)


def _discard(lists: dict[_Key, set[int]], key: _Key, slot: int) -> None:
    """Take a slot off one list, and the list away when nothing is left in it."""
    held = lists.get(key)
    if held is not None:
        held.discard(slot)
        if not held:
            del lists[key]
