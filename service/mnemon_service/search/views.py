"""Scopes that are searched again, kept in memory: exact, bounded and as fresh as the log.

A search brings its view up to the end of the log before it looks, with one indexed query that normally
finds nothing. So a write that returned is seen, also if another replica made it, and nothing has to
be told to anybody.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from mnemon_service.model.filter import Filter
from mnemon_service.model.memory import Memory, MemoryState
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Change, ScopeRow, Selection
from mnemon_service.search.ranking.scope_view import ScopeView, ViewRow
from mnemon_service.search.ranking.view_arrays import Mask
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.view_rows import Payload, allows, view_row

KEPT_STATES: Final = (MemoryState.ACTIVE, MemoryState.SUPERSEDED)
"""Superseded memories are few and may be asked for; a mask leaves them out otherwise."""
_TAIL_PAGE: Final = 1000
_MASKS: Final = 16
"""Masks of filters that a view remembers until it changes: checking a filter takes microseconds a row."""
_LARGE_SECONDS: Final = 300.0
"""How long a scope that was too large is not counted again."""
_LARGE_SCOPES: Final = 10_000
_OWNERSHIP: Final = ("user_id", "run_id", "agent_id", "app_id")
"""Which named id a view is made for: the one that selects fewest."""

Key = tuple[str, Scope]


class View:
    """The memories of one scope, and the place in the log that they show."""

    def __init__(self, rows: ScopeView, position: int, payload_bytes: int) -> None:
        self.rows = rows
        self.position = position
        self.lock = asyncio.Lock()
        """Held while the rows change, and while a thread looks at them."""
        self._payload_bytes = payload_bytes
        self._masks: dict[tuple[Scope, Filter | None, tuple[MemoryState, ...]], Mask] = {}

    @classmethod
    def build(cls, rows: Sequence[ScopeRow], position: int, dimension: int) -> View:
        """A view of rows of the record; takes about 50 µs a row."""
        made = [view_row(row.memory, row.vectors, dimension) for row in rows]
        return cls(ScopeView.build(made, dimension), position, sum(map(_payload_bytes, made)))

    @property
    def size_in_bytes(self) -> int:
        """About what it takes; payloads of replaced rows count until it is built anew."""
        return self.rows.size_in_bytes + self._payload_bytes

    def advance(self, changes: Sequence[Change], position: int) -> None:
        """Take in changes of the log, which is thereby read up to `position`.

        What it shows already is left out: two searches may have read the same tail, and the slower one
        must not put the older state back.
        """
        fresh = [change for change in changes if change.version.sequence > self.position]
        self.position = max(self.position, position)
        if not fresh:
            return
        shown = [change for change in fresh if change.version.memory.state in KEPT_STATES]
        rows = [view_row(change.version.memory, change.vectors, self.rows.dimension) for change in shown]
        gone = {change.version.memory.id for change in fresh} - {row.memory_id for row in rows}
        self.rows.apply(rows, gone)
        self._payload_bytes += sum(map(_payload_bytes, rows))
        self._masks.clear()

    def memories(self, memory_ids: Iterable[str]) -> dict[str, Memory]:
        """Those of the ids that it holds, by id, as they are at its position."""
        payloads = ((memory_id, self.rows.payload_of(memory_id)) for memory_id in memory_ids)
        return {key: payload.memory for key, payload in payloads if isinstance(payload, Payload)}

    def mask(self, scope: Scope, filter_: Filter | None, states: tuple[MemoryState, ...]) -> Mask:
        """The memories that may be returned."""
        key = (scope, filter_, states)
        mask = self._masks.get(key)
        if mask is None:
            mask = self.rows.mask(states, allows(scope, filter_))
            if len(self._masks) >= _MASKS:
                self._masks.clear()
            self._masks[key] = mask
        return mask


class Views:
    """The views of all scopes, least recently searched first; each is built once however many wait."""

    def __init__(
        self,
        record: Record,
        space: str,
        dimension: int,
        settings: SearchSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._space = space
        self._dimension = dimension
        self._settings = settings
        self._clock = clock
        self._views: OrderedDict[Key, View] = OrderedDict()
        self._sizes: dict[Key, int] = {}
        self._builds: dict[Key, asyncio.Task[View | None]] = {}
        self._large: OrderedDict[Key, float] = OrderedDict()

    @property
    def size_in_bytes(self) -> int:
        """About what all views take."""
        return sum(self._sizes.values())

    def __len__(self) -> int:
        """How many scopes are in memory."""
        return len(self._views)

    async def current(self, project_id: str, scope: Scope) -> View | None:
        """A view that holds all of the scope, and more perhaps, with every write that returned before.

        None if the scope has too many memories, or views are switched off. Raises `NotFound` for an
        unknown project.
        """
        if not self._settings.views:
            return None
        key = (project_id, view_scope(scope))
        view = self._views.get(key)
        if view is None:
            if self._large.get(key, 0.0) > self._clock():
                return None
            joined = key in self._builds
            view = await self._built(key)
            if view is None or not joined:
                return view
        await self._advance(key, view)
        return view

    def forget(self, project_id: str) -> None:
        """Drop what is held of a project: after an erasure nothing of it stays in memory."""
        for key in [key for key in self._views if key[0] == project_id]:
            self._drop(key)

    def is_current(self, project_id: str, position: int) -> bool:
        """True if it is certain, without asking the record, that nothing of the project has changed since
        this place in its log."""
        return self._settings.sole_writer and self._record.signal.announced(project_id) <= position

    async def _advance(self, key: Key, view: View) -> None:
        project_id, scope = key
        if self.is_current(project_id, view.position):
            self._touch(key, view)
            return
        while True:
            changes, end = await self._record.log.tail_and_end(
                Access(project_id), scope, view.position, space=self._space, limit=_TAIL_PAGE
            )
            full = len(changes) >= _TAIL_PAGE
            async with view.lock:
                view.advance(changes, changes[-1].version.sequence if full else end)
            if not full:
                break
        if self._touch(key, view) and changes:
            self._keep(key, view)

    def _touch(self, key: Key, view: View) -> bool:
        """Note that a view was searched; False if it is not held any more."""
        if self._views.get(key) is not view:
            return False
        self._views.move_to_end(key)
        return True

    async def _built(self, key: Key) -> View | None:
        build = self._builds.get(key)
        if build is None:
            build = self._builds[key] = asyncio.create_task(self._build(key))
            build.add_done_callback(lambda task: self._finished(key, task))
        # One of several that wait may be cancelled; the others still want the view.
        return await asyncio.shield(build)

    async def _build(self, key: Key) -> View | None:
        project_id, scope = key
        access = Access(project_id)
        selection = Selection(scope, show_superseded=True)
        most = self._most_rows(scope)
        if await self._record.memories.count(access, selection, at_most=most + 1) > most:
            self._note_large(key)
            return None
        rows, position = await self._record.memories.rows(access, selection, self._space)
        view = await asyncio.to_thread(View.build, rows, position, self._dimension)
        self._keep(key, view)
        return view

    def _finished(self, key: Key, build: asyncio.Task[View | None]) -> None:
        del self._builds[key]
        if not build.cancelled():
            build.exception()  # seen by who waited; nobody may be left

    def _most_rows(self, scope: Scope) -> int:
        settings = self._settings
        return settings.view_rows_of_user if scope.user_id else settings.view_rows_of_scope

    def _keep(self, key: Key, view: View) -> None:
        """Hold a view that is new or has grown, and drop what no longer fits beside it."""
        size = view.size_in_bytes
        if size > self._settings.view_bytes or len(view.rows) > self._most_rows(key[1]):
            self._drop(key)
            self._note_large(key)
            return
        self._views[key] = view
        self._views.move_to_end(key)
        self._sizes[key] = size
        while self.size_in_bytes > self._settings.view_bytes:
            self._drop(next(iter(self._views)))

    def _drop(self, key: Key) -> None:
        self._views.pop(key, None)
        self._sizes.pop(key, None)

    def _note_large(self, key: Key) -> None:
        self._large[key] = self._clock() + _LARGE_SECONDS
        self._large.move_to_end(key)
        while len(self._large) > _LARGE_SCOPES:
            self._large.popitem(last=False)


def view_scope(scope: Scope) -> Scope:
    """The scope whose view answers a read of `scope`: its most selective id alone, so that reads of one
    user's agents and runs share a view. Empty for the whole project."""
    for field in _OWNERSHIP:
        if value := getattr(scope, field):
            return Scope(**{field: value})
    return Scope()


def _payload_bytes(row: ViewRow) -> int:
    return row.payload.size_in_bytes if isinstance(row.payload, Payload) else 0
