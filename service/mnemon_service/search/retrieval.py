"""Where candidates come from: a scope's memories in memory, its past, or the index.

A place is opened while the query is still being embedded, then asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.memory import Memory
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Selection
from mnemon_service.search.question import Notice, Prepared, Question
from mnemon_service.search.ranking.candidate import Candidate, TermStatistics
from mnemon_service.search.ranking.scope_view import Retrieval
from mnemon_service.search.ranking.view_arrays import Vectors
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.views import View, Views

SEMANTIC: Final = "semantic"
KEYWORD: Final = "keyword"
ENTITY: Final = "entity"
TAIL: Final = "tail"
NEIGHBOUR: Final = "neighbour"


@dataclass(frozen=True, slots=True)
class Found:
    """What a place holds for a question."""

    candidates: list[Candidate]
    statistics: TermStatistics
    """Of the scope: no candidate's score depends on which others were found."""
    counts: Mapping[str, int]
    """Candidates by the list that gave them."""
    vectors: Callable[[str], Vectors]
    """The vectors of a candidate by its id."""
    sequence: int
    """The place in the project's log that was seen."""
    notices: tuple[Notice, ...] = ()
    memories: Mapping[str, Memory] = field(default_factory=dict)
    """Candidates that are known whole, as they were at `sequence`."""
    is_current: Callable[[], bool] = lambda: True
    """False once `memories` may be out of date; the record is then asked again."""
    warm: Place | None = None
    """Answers a question that hardly differs among what was found, without a store; stale after seconds."""


class Place(Protocol):
    """Where a question is asked."""

    async def find(self, prepared: Prepared) -> Found:
        """The candidates for a question. Raises `Unavailable` if what it asks does not answer."""
        ...


class Places(Protocol):
    """Opens the place for a question."""

    async def open(self, question: Question) -> Place:
        """The place, with every write that returned before in it."""
        ...


class ViewPlace:
    """Memories in memory: exact.

    Args:
        rows_in_loop: a larger view is searched in a thread.
        is_current: whether the memories are still those of the record at a place in its log; without it
            the record is always asked.
    """

    def __init__(
        self, view: View, rows_in_loop: int, is_current: Callable[[int], bool] = lambda _position: False
    ) -> None:
        self._view = view
        self._rows_in_loop = rows_in_loop
        self._is_current = is_current

    async def find(self, prepared: Prepared) -> Found:
        """See `Place.find`; takes some hundred microseconds for some hundred memories."""
        view = self._view
        if len(view.rows) <= self._rows_in_loop:
            found, position = self._retrieved(prepared), view.position
        else:
            async with view.lock:
                found, position = await asyncio.to_thread(self._retrieved, prepared), view.position
        memories: dict[str, Memory] = {}
        if self._is_current(position):
            memories = view.memories(candidate.memory_id for candidate in found.candidates)
        counts = {
            SEMANTIC: found.dense_count,
            KEYWORD: found.keyword_count,
            ENTITY: found.entity_count,
            NEIGHBOUR: found.neighbour_count,
        }
        return Found(
            found.candidates,
            found.statistics,
            counts,
            view.rows.vectors_of,
            position,
            memories=memories,
            is_current=partial(self._is_current, position),
            warm=self,
        )

    def _retrieved(self, prepared: Prepared) -> Retrieval:
        question, view = prepared.question, self._view
        return view.rows.retrieve(
            prepared.query,
            prepared.vector,
            prepared.limit,
            view.mask(question.scope, question.filter, question.states),
            prepared.weights,
            prepared.expand_best,
            prepared.drawn,
        )


class ScopePlaces:
    """Chooses: the past from the log, a scope that fits into memory from its view, else the index."""

    def __init__(
        self,
        record: Record,
        views: Views,
        index: Places,
        space: str,
        dimension: int,
        settings: SearchSettings,
    ) -> None:
        self._record = record
        self._views = views
        self._index = index
        self._space = space
        self._dimension = dimension
        self._settings = settings

    async def open(self, question: Question) -> Place:
        """See `Places.open`. Raises `InvalidArgument` for a past of too many memories."""
        if question.as_of is not None:
            return ViewPlace(await self._past(question), self._settings.view_rows_in_loop)
        view = await self._views.current(question.access.project_id, question.scope)
        if view is None:
            return await self._index.open(question)
        is_current = partial(self._views.is_current, question.access.project_id)
        return ViewPlace(view, self._settings.view_rows_in_loop, is_current)

    async def _past(self, question: Question) -> View:
        """The scope as it was, read from the log for this search alone: about 70 µs a memory."""
        access = Access(question.access.project_id)
        selection = Selection(question.scope, show_superseded=True, as_of=question.as_of)
        most = self._settings.past_memories
        if await self._record.memories.count(access, selection, at_most=most + 1) > most:
            raise InvalidArgument.of("as_of", f"the scope held more than {most:,} memories then; narrow it")
        rows, position = await self._record.memories.rows(access, selection, self._space)
        return await asyncio.to_thread(View.build, rows, position, self._dimension)
