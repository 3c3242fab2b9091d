"""Candidates from the index, for scopes that do not fit into memory.

The index names candidates and no more: they are read from the record in one query, with all that ranking
needs (every sentence's vector, the speaker, the place in the conversation), so a hit's score is made of
the same parts as in a view. What the index has not applied yet is laid over it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from mnemon_service.index import protocol
from mnemon_service.index.protocol import IndexHit, MemoryIndex
from mnemon_service.model.errors import first_of
from mnemon_service.model.filter_matching import matches
from mnemon_service.model.memory import Memory
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Change, ScopeRow
from mnemon_service.search.question import Notice, NoticeCode, Prepared, Question
from mnemon_service.search.ranking.candidate import TermStatistics
from mnemon_service.search.ranking.fusion import fuse, neighbours_to_fetch
from mnemon_service.search.ranking.scope_view import ScopeView, ViewRow
from mnemon_service.search.retrieval import ENTITY, KEYWORD, NEIGHBOUR, SEMANTIC, TAIL, Found, Place
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.term_sample import TermSamples
from mnemon_service.search.view_rows import view_row
from mnemon_service.search.views import view_scope

_TAIL_PAGE: Final = 1000
_LAGGING: Final = Notice(
    NoticeCode.INDEX_LAGGING, "the index has not caught up; the latest changes may be missing"
)


class IndexPosition(Protocol):
    """Knows how far the index has come."""

    async def cursor(self, project_id: str) -> int:
        """Up to where the project's log was applied to the index; everything up to there is in it."""
        ...


class IndexPlaces:
    """Opens the index for a question: see `retrieval.Places`."""

    def __init__(
        self,
        record: Record,
        index: MemoryIndex,
        position: IndexPosition,
        space: str,
        dimension: int,
        settings: SearchSettings,
    ) -> None:
        self._record = record
        self._index = index
        self._position = position
        self._space = space
        self._dimension = dimension
        self._settings = settings
        self._samples = TermSamples(record, settings)

    async def open(self, question: Question) -> Place:
        """Reads the log's tail beyond the index, and the statistics of the scope's words."""
        project_id = question.access.project_id
        # The cursor first: what is applied after this moment is in the index or in the tail.
        after = await self._position.cursor(project_id)
        tail, end, complete = await self.tail(project_id, question, after)
        statistics = await self._samples.of(project_id, view_scope(question.scope), end)
        notices = () if complete else (_LAGGING,)
        return IndexPlace(self, tail, end, statistics, notices)

    async def tail(self, project_id: str, question: Question, after: int) -> tuple[list[Change], int, bool]:
        """The changes beyond a position, where the log ends, and whether these are all."""
        found: dict[str, Change] = {}
        while True:
            changes, end = await self._record.log.tail_and_end(
                Access(project_id), question.scope, after, space=self._space, limit=_TAIL_PAGE
            )
            found |= {change.version.memory.id: change for change in changes}
            if len(changes) < _TAIL_PAGE:
                return list(found.values()), end, True
            if len(found) >= self._settings.tail_changes:
                return list(found.values()), end, False
            after = changes[-1].version.sequence

    async def candidates(self, prepared: Prepared) -> dict[str, list[IndexHit]]:
        """What each list of the index gives, all asked at once.

        Raises the error of one that fails, as it is, and stops the others: `Unavailable`
        (INDEX_UNAVAILABLE) if the index is away.
        """
        question, query = prepared.question, prepared.query
        limit = max(prepared.limit, self._settings.index_candidates)
        selection = protocol.Selection(
            question.access.project_id, question.scope, question.filter, question.states
        )
        arms: dict[str, Coroutine[Any, Any, list[IndexHit]]] = {}
        if prepared.vector is not None:
            arms[SEMANTIC] = self._index.search_dense(selection, prepared.vector, limit)
        if query.terms:
            arms[KEYWORD] = self._index.search_keyword(selection, query.terms, limit)
        if query.names:
            names = [name.casefold() for name in query.names]
            arms[ENTITY] = self._index.search_entity(selection, names, limit)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {arm: group.create_task(search) for arm, search in arms.items()}
        except BaseExceptionGroup as failed:
            # Callers know errors by their type and reason; a group has neither.
            raise first_of(failed) from None
        return {arm: task.result() for arm, task in tasks.items()}

    async def rows(self, question: Question, memory_ids: Sequence[str]) -> list[ScopeRow]:
        """The candidates as the record allows them now, with their vectors."""
        if not memory_ids:
            return []
        rows, _ = await self._record.memories.rows(
            question.access, question.selection, self._space, memory_ids=memory_ids
        )
        return rows

    async def beside(self, prepared: Prepared, found: Found) -> list[tuple[ViewRow, Memory]]:
        """What stands beside the best candidates in their conversations and was not found itself."""
        if not prepared.expand_best:
            return []
        weights = prepared.weights
        order = fuse(prepared.query, found.candidates, found.statistics, weights)
        places = neighbours_to_fetch(order, prepared.expand_best, weights.neighbour_reach)
        question = prepared.question
        rows = await self._record.memories.beside(question.access, question.selection, self._space, places)
        return [(view_row(row.memory, row.vectors, self._dimension), row.memory) for row in rows]

    def view(self, rows: Sequence[ScopeRow]) -> ScopeView:
        """The candidates as a view of their own."""
        made = [view_row(row.memory, row.vectors, self._dimension) for row in rows]
        return ScopeView.build(made, self._dimension)


class IndexPlace:
    """The index with the log's tail over it: see `retrieval.Place`."""

    def __init__(
        self,
        places: IndexPlaces,
        tail: Sequence[Change],
        sequence: int,
        statistics: TermStatistics,
        notices: tuple[Notice, ...],
    ) -> None:
        self._places = places
        self._tail = tail
        self._sequence = sequence
        self._statistics = statistics
        self._notices = notices

    async def find(self, prepared: Prepared) -> Found:
        """See `Place.find`."""
        question = prepared.question
        lists = await self._places.candidates(prepared)
        changed = {change.version.memory.id for change in self._tail}
        ids = dict.fromkeys([*(hit.memory_id for hits in lists.values() for hit in hits), *prepared.drawn])
        rows = await self._places.rows(question, [key for key in ids if key not in changed])
        memories = {row.memory.id: row.memory for row in rows}
        late = [
            ScopeRow(change.version.memory, change.vectors)
            for change in self._tail
            if _allowed(change, question)
        ]
        view = await asyncio.to_thread(self._places.view, [*rows, *late])
        warm = CandidatePlace(view, self._statistics, self._sequence)
        found = await warm.find(prepared)
        beside = await self._places.beside(prepared, found)
        if beside:
            found = await warm.widened(prepared, beside)
            memories |= {row.memory_id: memory for row, memory in beside}
        counts = {arm: len(hits) for arm, hits in lists.items()} | {TAIL: len(late), NEIGHBOUR: len(beside)}
        return replace(found, counts=counts, notices=self._notices, memories=memories)


class CandidatePlace:
    """What the index found for one question, asked again."""

    def __init__(self, view: ScopeView, statistics: TermStatistics, sequence: int) -> None:
        self._view = view
        self._statistics = statistics
        self._sequence = sequence

    async def widened(self, prepared: Prepared, rows: Sequence[tuple[ViewRow, Memory]]) -> Found:
        """As `find`, with these memories among the candidates from now on."""
        self._view.apply([row for row, _ in rows])
        return await self.find(prepared)

    async def find(self, prepared: Prepared) -> Found:
        """All of it: the index has chosen, and ranking uses the statistics of the scope."""
        view = self._view
        mask = view.mask(prepared.question.states)
        found = view.retrieve(prepared.query, prepared.vector, len(view), mask, prepared.weights, 0)
        return Found(found.candidates, self._statistics, {}, view.vectors_of, self._sequence, warm=self)


def _allowed(change: Change, question: Question) -> bool:
    memory = change.version.memory
    return memory.state in question.states and (question.filter is None or matches(question.filter, memory))
