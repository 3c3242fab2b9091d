"""What a word is worth in a scope that does not fit into memory.

BM25 needs to know in how many memories a word occurs. To take that from the candidates of a query would let
a candidate's score move with what else was found; the engines' own statistics differ from each other
and are those of a shard. So the frequencies are counted in the newest memories of the scope: for a
scope no larger than the sample they are exact, for a larger one a sample of 2,000 knows the share of a
word that one memory in fifty holds to within a third (two standard errors).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mnemon_service.model.indexed_text import indexed_text
from mnemon_service.model.memory import Memory
from mnemon_service.model.scope import Scope
from mnemon_service.model.text_analysis import tokenize
from mnemon_service.record.record import Record
from mnemon_service.record.selection import MAXIMUM_PAGE_SIZE, Access, Order, OrderBy, Selection
from mnemon_service.search.ranking.candidate import TermStatistics
from mnemon_service.search.settings import SearchSettings

GROWTH: Final = 0.1
"""A sample that still holds its whole scope is taken anew when the log has grown by this share of it."""
_SAMPLES: Final = 64
"""Scopes remembered; a sample takes about 2 MB."""
_NEWEST: Final = Order(OrderBy.UPDATE_TIME)

Key = tuple[str, Scope]


@dataclass(frozen=True, slots=True)
class _Sample:
    statistics: TermStatistics
    sequence: int
    whole: bool
    """True if the scope has no more memories than these."""
    taken: float


class TermSamples:
    """Statistics of words by scope, taken when first needed and refreshed behind the searches."""

    def __init__(
        self, record: Record, settings: SearchSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._record = record
        self._settings = settings
        self._clock = clock
        self._samples: OrderedDict[Key, _Sample] = OrderedDict()
        self._taking: dict[Key, asyncio.Task[_Sample]] = {}

    async def of(self, project_id: str, scope: Scope, sequence: int) -> TermStatistics:
        """The statistics of a scope, for a log that ends at `sequence`."""
        key = (project_id, scope)
        sample = self._samples.get(key)
        if sample is None or self._outgrown(sample, sequence):
            sample = await asyncio.shield(self._take(key))
        elif self._clock() - sample.taken > self._settings.statistics_seconds:
            self._take(key)
        if key in self._samples:
            self._samples.move_to_end(key)
        return sample.statistics

    def _outgrown(self, sample: _Sample, sequence: int) -> bool:
        allowed = GROWTH * sample.statistics.memory_count
        return sample.whole and sequence - sample.sequence > allowed

    def _take(self, key: Key) -> asyncio.Task[_Sample]:
        task = self._taking.get(key)
        if task is None:
            task = self._taking[key] = asyncio.create_task(self._taken(key))
            task.add_done_callback(lambda done: self._finished(key, done))
        return task

    def _finished(self, key: Key, task: asyncio.Task[_Sample]) -> None:
        del self._taking[key]
        if not task.cancelled():
            task.exception()  # seen by who waited; a refresh has nobody

    async def _taken(self, key: Key) -> _Sample:
        project_id, scope = key
        found: list[Memory] = []
        token, sequence = "", 0
        selection = Selection(scope, show_superseded=True)  # as a view counts
        while len(found) < self._settings.statistics_sample:
            size = min(MAXIMUM_PAGE_SIZE, self._settings.statistics_sample - len(found))
            page = await self._record.memories.list(
                Access(project_id), selection, order=_NEWEST, page_size=size, page_token=token
            )
            found.extend(page.memories)
            token, sequence = page.next_page_token, page.sequence
            if not token:
                break
        statistics = await asyncio.to_thread(statistics_of, found)
        sample = _Sample(statistics, sequence, not token, self._clock())
        self._samples[key] = sample
        while len(self._samples) > _SAMPLES:
            self._samples.popitem(last=False)
        return sample


def statistics_of(memories: Sequence[Memory]) -> TermStatistics:
    """The statistics of these memories; takes about 20 µs a memory."""
    holding: Counter[str] = Counter()
    tokens = 0
    for memory in memories:
        found = tokenize(indexed_text(memory.text, memory.attributed_to))
        holding.update(set(found))
        tokens += len(found)
    average = tokens / len(memories) if memories else 1.0
    return TermStatistics(len(memories), max(average, 1e-9), dict(holding))
