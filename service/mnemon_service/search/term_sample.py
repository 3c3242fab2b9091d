"""What a word is worth in a scope that does not fit into memory.

BM25 needs to know in how many memories a word occurs. To take that from the candidates of a query would let
a candidate's score move with what else was found; the engines' own statistics differ from each other
and are those of a shard. So the frequencies are counted in memories of the scope: for a scope no larger than
the sample in all of them, for a larger one in about 2,000 that are spread evenly over it, which know the
share of a word that one memory in fifty holds to within a third (two standard errors). The newest 2,000
would know nothing of what was spoken of before: on five conversations of LoCoMo as one scope of 2,760
memories they cost 2.1 points of recall@10, these 0.3.
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
    """The log's end when a whole scope was read; 0 otherwise."""
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
        access, scope = Access(key[0]), key[1]
        wanted = self._settings.statistics_sample
        selection = Selection(scope, show_superseded=True)  # as a view counts
        count = await self._record.memories.count(access, selection)
        if count <= wanted:
            found, sequence = await self._all(access, selection)
            texts = [(memory.text, memory.attributed_to) for memory in found]
        else:
            texts, sequence = await self._record.samples.texts(access, scope, wanted / count), 0
        statistics = await asyncio.to_thread(statistics_of, texts)
        sample = _Sample(statistics, sequence, count <= wanted, self._clock())
        self._samples[key] = sample
        while len(self._samples) > _SAMPLES:
            self._samples.popitem(last=False)
        return sample

    async def _all(self, access: Access, selection: Selection) -> tuple[list[Memory], int]:
        """Every memory, and where the log ended before any was read."""
        found: list[Memory] = []
        token, sequence = "", 0
        while True:
            page = await self._record.memories.list(
                access, selection, order=_NEWEST, page_size=MAXIMUM_PAGE_SIZE, page_token=token
            )
            found.extend(page.memories)
            sequence = sequence or page.sequence
            token = page.next_page_token
            if not token:
                return found, sequence


def statistics_of(texts: Sequence[tuple[str, str]]) -> TermStatistics:
    """The statistics of these texts with their speakers; takes about 20 µs a text."""
    holding: Counter[str] = Counter()
    tokens = 0
    for text, speaker in texts:
        found = tokenize(indexed_text(text, speaker))
        holding.update(set(found))
        tokens += len(found)
    average = tokens / len(texts) if texts else 1.0
    return TermStatistics(len(texts), max(average, 1e-9), dict(holding))
