"""Searches: one question to every collection that may hold an answer, and the best of all answers.

Where the expression selects a superset of the filter, rows come with what deciding it needs, and more
are asked for until enough passed or none is left: a limit holds whatever the engine can express.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from mnemon_service.index.access import EngineAccess
from mnemon_service.index.engine import Found, Record
from mnemon_service.index.expressions import CompiledFilter, compile_selection, holds_name, ids_expression
from mnemon_service.index.protocol import MAXIMUM_LIMIT, IndexHit, Selection
from mnemon_service.index.rows import FILTER_FIELDS, decode_names, filter_view, memory_id_of
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.filter import Filter
from mnemon_service.model.filter_matching import matches_fields

Search = Callable[[str, str, int, Sequence[str]], Awaitable[list[Found]]]
"""A search of one collection: its name, expression, limit and fields."""

GROWTH: Final = 4
"""Each further question of a search with a filter to check asks for this many times more rows."""
SMALLEST: Final = 256
"""Rows asked for first: all of most users' memories."""
CHUNK: Final = 1_000
"""Ids in one expression."""


class CandidateSearch:
    """The read side of the index; its methods run inside `EngineAccess.guarded`."""

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def best(self, selection: Selection, limit: int, search: Search) -> list[IndexHit]:
        """The best `limit` hits that the selection allows, ties by id."""
        _check_limit(limit)
        compiled = self._compile(selection)
        answers = await self._access.each(
            [(place, compiled) for place in self._places(selection)],
            lambda place, expression: self._of_place(place, expression, selection.filter, limit, search),
        )
        found = (hit for answer in answers for hit in answer)
        return [
            IndexHit(memory_id_of(hit.id), hit.score)
            for hit in heapq.nsmallest(limit, found, key=lambda hit: (-hit.score, hit.id))
        ]

    async def naming(self, selection: Selection, names: Sequence[str], limit: int) -> list[IndexHit]:
        """Rows that name any of these entities, by how many, newest first."""
        _check_limit(limit)
        wanted = frozenset(names)
        compiled = self._compile(selection)
        any_name = " or ".join(holds_name("entities", name) for name in sorted(wanted))
        expression = f"{compiled.expression} and ({any_name})"
        best: list[tuple[int, int, str]] = []
        for place in self._places(selection):
            async for page in self._access.engine.pages(place, expression, (*FILTER_FIELDS, "entities")):
                counted = _named(page, wanted, None if compiled.exact else selection.filter)
                best = heapq.nlargest(limit, (*best, *counted))
        return [IndexHit(memory_id_of(key), float(count)) for count, _, key in best]

    def _compile(self, selection: Selection) -> CompiledFilter:
        capabilities = self._access.capabilities
        return compile_selection(
            selection, json_paths=capabilities.json_paths, partitioned=not capabilities.sharded
        )

    def _places(self, selection: Selection) -> list[str]:
        return self._access.places(selection.project_id, selection.scope.owner_of_read)

    async def _of_place(
        self, place: str, compiled: CompiledFilter, filter_: Filter | None, limit: int, search: Search
    ) -> list[Found]:
        if compiled.exact or filter_ is None:
            return await search(place, compiled.expression, limit, ("id",))
        most = self._access.capabilities.candidates
        size = min(max(limit * GROWTH, SMALLEST), most)
        while True:
            found = await search(place, compiled.expression, size, FILTER_FIELDS)
            passed = [hit for hit in found if passes(filter_, hit.fields)]
            if len(passed) >= limit or len(found) < size:
                return passed[:limit]
            if size == most:
                return await self._of_listed(place, compiled, filter_, limit, search)
            size = min(size * GROWTH, most)

    async def _of_listed(
        self, place: str, compiled: CompiledFilter, filter_: Filter, limit: int, search: Search
    ) -> list[Found]:
        """Where too few of the engine's most candidates pass: list what passes, then search among it."""
        ids: list[str] = []
        async for page in self._access.engine.pages(place, compiled.expression, FILTER_FIELDS):
            ids.extend(row["id"] for row in page if passes(filter_, row))
        found: list[Found] = []
        for start in range(0, len(ids), CHUNK):
            among = f"{compiled.expression} and {ids_expression(ids[start : start + CHUNK])}"
            found += await search(place, among, limit, ("id",))
        return heapq.nsmallest(limit, found, key=lambda hit: (-hit.score, hit.id))


def passes(filter_: Filter, record: Record) -> bool:
    """True if the filter selects the row, or nobody but the record can tell."""
    view = filter_view(record)
    return not view.complete or matches_fields(filter_, view.known, view.metadata)


def _named(
    page: Iterable[Record], wanted: frozenset[str], filter_: Filter | None
) -> Iterable[tuple[int, int, str]]:
    for row in page:
        count = len(wanted.intersection(decode_names(row["entities"])))
        if count and (filter_ is None or passes(filter_, row)):
            yield count, row["update_time"], row["id"]


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAXIMUM_LIMIT:
        raise InvalidArgument.of("limit", f"must be 1 to {MAXIMUM_LIMIT}")
