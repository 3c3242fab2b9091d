"""The numbers of a scope view in growing arrays: vectors, term counts, lengths and states by slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from mnemon_service.model.memory import MemoryState

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.intp]

STATE_CODES: Final = {state: code for code, state in enumerate(MemoryState, start=1)}
"""States as small numbers; 0 is a slot that is no longer used."""
_DEAD: Final = 0
_NO_TERM: Final = -1
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Postings:
    """Where the terms asked for occur: three arrays of equal length, one entry for a term in a slot."""

    terms: npt.NDArray[np.intp]
    """Place of the term in the list that was asked for."""
    slots: Slots
    frequencies: Scores


class ViewArrays:
    """Arrays that grow by a quarter when full; slot i is the i-th row appended since the last packing."""

    def __init__(self, dimension: int, rows: int = 0, vectors: int = 0, terms: int = 0) -> None:
        self.used = 0
        """Slots in use, dead ones included."""
        self._vectors_used = 0
        self._terms_used = 0
        self._vocabulary: dict[str, int] = {}
        self._states = np.zeros(rows, np.int8)
        self._lengths = np.zeros(rows, np.float32)
        self._vectors = np.zeros((vectors, dimension), np.float32)
        self._vector_slots = np.zeros(vectors, np.int32)
        self._term_ids = np.zeros(terms, np.int32)
        self._term_slots = np.zeros(terms, np.int32)
        self._frequencies = np.zeros(terms, np.float32)

    @property
    def size_in_bytes(self) -> int:
        """Bytes reserved by the arrays, and about those of the vocabulary (120 a word)."""
        arrays = (self._states, self._lengths, self._vectors, self._vector_slots)
        terms = (self._term_ids, self._term_slots, self._frequencies)
        return sum(array.nbytes for array in (*arrays, *terms)) + 120 * len(self._vocabulary)

    @property
    def lengths(self) -> Scores:
        """Tokens of each slot's text."""
        return self._lengths[: self.used]

    @property
    def alive(self) -> Mask:
        """The slots that hold a memory."""
        alive: Mask = self._states[: self.used] != _DEAD
        return alive

    def in_states(self, states: Sequence[MemoryState]) -> Mask:
        """The slots whose memory is in one of these states."""
        return np.isin(self._states[: self.used], [STATE_CODES[state] for state in states])

    def reserve(self, rows: int, vectors: int, terms: int) -> None:
        """Room for so many more of each."""
        self._states = _grown(self._states, self.used + rows)
        self._lengths = _grown(self._lengths, self.used + rows)
        self._vectors = _grown(self._vectors, self._vectors_used + vectors)
        self._vector_slots = _grown(self._vector_slots, self._vectors_used + vectors)
        self._term_ids = _grown(self._term_ids, self._terms_used + terms)
        self._term_slots = _grown(self._term_slots, self._terms_used + terms)
        self._frequencies = _grown(self._frequencies, self._terms_used + terms)

    def append(self, vectors: Vectors, term_counts: Mapping[str, int], state: MemoryState) -> int:
        """Write a row into the next slot, for which there must be room; answers the slot."""
        slot = self.used
        self._states[slot] = STATE_CODES[state]
        self._lengths[slot] = sum(term_counts.values())
        first, last = self._vectors_used, self._vectors_used + len(vectors)
        self._vectors[first:last] = vectors
        self._vector_slots[first:last] = slot
        self._vectors_used = last
        first, last = self._terms_used, self._terms_used + len(term_counts)
        numbers = self._vocabulary
        self._term_ids[first:last] = [numbers.setdefault(term, len(numbers)) for term in term_counts]
        self._term_slots[first:last] = slot
        self._frequencies[first:last] = list(term_counts.values())
        self._terms_used = last
        self.used += 1
        return slot

    def forget(self, slot: int) -> None:
        """Blank a slot at once: content must not linger until the next packing."""
        self._states[slot] = _DEAD
        self._lengths[slot] = 0.0
        first, last = np.searchsorted(self._vector_slots[: self._vectors_used], [slot, slot + 1])
        self._vectors[first:last] = 0.0
        first, last = np.searchsorted(self._term_slots[: self._terms_used], [slot, slot + 1])
        self._term_ids[first:last] = _NO_TERM

    def packed(self) -> ViewArrays:
        """A copy without dead slots and without the words that only they held; the order stays."""
        alive = self.alive
        new_slot = np.cumsum(alive, dtype=np.int32) - 1
        vector_slots = self._vector_slots[: self._vectors_used]
        kept_vectors = np.flatnonzero(alive[vector_slots])
        term_slots = self._term_slots[: self._terms_used]
        kept_terms = np.flatnonzero(alive[term_slots])
        known, term_ids = np.unique(self._term_ids[kept_terms], return_inverse=True)
        words = list(self._vocabulary)
        copy = ViewArrays(self._vectors.shape[1])
        copy._states = self._states[: self.used][alive]
        copy._lengths = self.lengths[alive]
        copy._vectors = self._vectors[kept_vectors]
        copy._vector_slots = new_slot[vector_slots[kept_vectors]]
        copy._term_ids = term_ids.astype(np.int32)
        copy._term_slots = new_slot[term_slots[kept_terms]]
        copy._frequencies = self._frequencies[kept_terms]
        copy._vocabulary = {words[number]: place for place, number in enumerate(known.tolist())}
        copy.used, copy._vectors_used, copy._terms_used = int(alive.sum()), len(kept_vectors), len(kept_terms)
        return copy

    def cosines(self, query_vector: Vectors) -> Scores:
        """The best dot product of each slot's vectors with the query's; 0 for a slot without vectors."""
        scores = np.zeros(self.used, np.float32)
        if not self._vectors_used:
            return scores
        similarities = self._vectors[: self._vectors_used] @ query_vector
        owners = self._vector_slots[: self._vectors_used]
        # Vectors of one slot lie together, so one pass takes the best of each run.
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        scores[owners[starts]] = np.maximum.reduceat(similarities, starts)
        return scores

    def vectors_of(self, slot: int) -> Vectors:
        """The vectors of a slot, as they were given."""
        first, last = np.searchsorted(self._vector_slots[: self._vectors_used], [slot, slot + 1])
        return self._vectors[first:last]

    def postings(self, terms: Sequence[str]) -> Postings:
        """All occurrences of these distinct terms, in one pass however many they are."""
        # The last entry is what `_NO_TERM` looks up.
        places = np.full(len(self._vocabulary) + 1, -1, np.intp)
        for place, term in enumerate(terms):
            number = self._vocabulary.get(term)
            if number is not None:
                places[number] = place
        found_places = places[self._term_ids[: self._terms_used]]
        found = np.flatnonzero(found_places >= 0)
        return Postings(
            found_places[found], self._term_slots[found].astype(np.intp), self._frequencies[found]
        )


def _grown(array: npt.NDArray[_Number], needed: int) -> npt.NDArray[_Number]:
    """The array or, if it is too short, a copy at least a quarter longer; new entries are zero."""
    if needed <= len(array):
        return array
    longer = np.zeros((max(needed, len(array) + len(array) // 4), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def best_slots(scores: Scores, slots: Slots, limit: int) -> Slots:
    """The `limit` best of these slots, in slot order; of equal scores at the edge the earlier slots."""
    if len(slots) <= limit:
        return slots
    if limit <= 0:
        return slots[:0]
    values = scores[slots]
    edge = np.partition(values, len(values) - limit)[len(values) - limit]
    above = values > edge
    equal = np.flatnonzero(values == edge)[: limit - int(above.sum())]
    above[equal] = True
    chosen: Slots = slots[above]
    return chosen
