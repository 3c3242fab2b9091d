"""The pipeline of a search: analyse and embed, retrieve, fuse, hydrate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import merge
from typing import Final

from mnemon_service.model.errors import Reason, Unavailable
from mnemon_service.model.memory import Memory
from mnemon_service.model.stages import Stages
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.embedding import Embedder, EmbeddingModelUnavailable
from mnemon_service.record.record import Record
from mnemon_service.record.selection import holds
from mnemon_service.record.times import Clock, utc_now
from mnemon_service.search.explanation import Explainer
from mnemon_service.search.messages import FoundMessages, MessageSearch
from mnemon_service.search.question import (
    Hit,
    Mode,
    Notice,
    NoticeCode,
    Prepared,
    Question,
    Summary,
)
from mnemon_service.search.ranking.candidate import RankedHit
from mnemon_service.search.ranking.diversity import diversify
from mnemon_service.search.ranking.fusion import fuse
from mnemon_service.search.ranking.query_analysis import analyze_query
from mnemon_service.search.ranking.view_arrays import Vectors
from mnemon_service.search.retrieval import Found, Place, Places
from mnemon_service.search.settings import SearchSettings

SPARE: Final = 5
"""Hits read beyond those asked for: some may have expired since the index or the view saw them."""
DIVERSE_POOL: Final = 50
"""The best hits among which variety is looked for."""
_NO_EMBEDDER: Final = Notice(
    NoticeCode.KEYWORD_ONLY, "no embedding model is in use; the search went by words alone"
)


@dataclass(frozen=True, slots=True)
class Fused:
    """The final fused order, not yet read from the record."""

    prepared: Prepared
    found: Found
    order: tuple[RankedHit, ...]
    """Hits that pass the threshold, best first; all of them."""
    matched_count: int
    usage: tuple[ProviderUsage, ...]
    notices: tuple[Notice, ...]
    messages: tuple[Hit, ...] = ()
    """Messages of the conversation log that match, best first."""

    @property
    def question(self) -> Question:
        """What was asked."""
        return self.prepared.question

    def summary(self, usage: Sequence[ProviderUsage] = (), notices: Sequence[Notice] = ()) -> Summary:
        """How the search went, with what came after the fusion."""
        return Summary(
            self.found.counts,
            self.matched_count + len(self.messages),
            (*self.usage, *usage),
            (*self.notices, *self.found.notices, *notices),
            self.found.sequence,
        )


class Searcher:
    """Answers questions up to the fused order and its memories; what comes after it is the callers'."""

    def __init__(
        self,
        record: Record,
        places: Places,
        embedder: Embedder | None,
        settings: SearchSettings,
        now: Clock = utc_now,
    ) -> None:
        self._now = now
        self._record = record
        self._places = places
        self._embedder = embedder
        self._settings = settings
        self._messages = MessageSearch(record, settings)

    async def fused(self, question: Question, stages: Stages, warm: Place | None = None) -> Fused:
        """The order of all candidates, or of those in a warm place.

        Raises `Unavailable` (EMBEDDER_UNAVAILABLE for a search by meaning without a model,
        INDEX_UNAVAILABLE, PROVIDER_UNAVAILABLE).
        """
        if self._embedder is None and question.mode is Mode.SEMANTIC:
            raise Unavailable(
                "a search by meaning needs an embedding model, and none is in use",
                reason=Reason.EMBEDDER_UNAVAILABLE,
            )
        embedding: asyncio.Task[tuple[Vectors | None, tuple[ProviderUsage, ...]]] | None = None
        if self._embedder is not None and question.mode is not Mode.KEYWORD:
            embedding = asyncio.create_task(self._embed(self._embedder, question, stages))
        try:
            # The place is opened and the query analysed while the embedder works.
            with stages.stage("retrieve"):
                place = warm or await self._places.open(question)
            with stages.stage("analyse"):
                prepared = self._prepared(question)
            prepared, messages = await self._with_messages(prepared, stages)
            vector, usage = (None, ()) if embedding is None else await embedding
        finally:
            if embedding is not None and not embedding.done():
                embedding.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await embedding
        ranked = await self._ranked(place, prepared, vector, usage, stages)
        shown = messages.hits if question.include_messages else ()
        return replace(ranked, messages=shown, notices=(*ranked.notices, *messages.notices))

    async def hydrated(self, fused: Fused, wanted: int, stages: Stages) -> list[Hit]:
        """The best `wanted` hits as the record has them now; what it no longer allows makes room."""
        question, hits, weights = fused.question, list[Hit](), fused.prepared.weights
        explainer = Explainer(fused.prepared, fused.order) if question.explain else None
        start = 0
        with stages.stage("hydrate"):
            while len(hits) < wanted and start < len(fused.order):
                batch = fused.order[start : start + wanted + SPARE]
                start += len(batch)
                memories = await self._memories(fused, [ranked.memory_id for ranked in batch])
                for ranked in batch:
                    memory = memories.get(ranked.memory_id)
                    if memory is not None:
                        reasons = explainer.reasons(ranked) if explainer else None
                        hits.append(Hit(ranked, ranked.score, weights, memory, reasons=reasons))
        return list(merge(hits[:wanted], fused.messages, key=_by_score))[:wanted]

    async def _memories(self, fused: Fused, memory_ids: Sequence[str]) -> dict[str, Memory]:
        """Those of the ids that the question may see, by id: as they were found if nothing has changed
        since, else as the record has them now."""
        access, selection, found = fused.question.access, fused.question.selection, fused.found
        known = found.memories if found.is_current() else {}
        memories: dict[str, Memory] = {}
        if known:
            now = self._now()
            for memory_id in memory_ids:
                memory = known.get(memory_id)
                if memory is not None and holds(access, selection, memory, now):
                    memories[memory_id] = memory
        unknown = [memory_id for memory_id in memory_ids if memory_id not in known]
        if unknown:
            memories |= await self._record.memories.hydrate(access, unknown, selection)
        return memories

    async def _embed(
        self, embedder: Embedder, question: Question, stages: Stages
    ) -> tuple[Vectors | None, tuple[ProviderUsage, ...]]:
        """The query's vector; None where the model is gone and words will do."""
        with stages.stage("embed"):
            try:
                made = await embedder.embed_query(question.text)
            except EmbeddingModelUnavailable:
                if question.mode is Mode.SEMANTIC:
                    raise
                return None, ()
        return made.vectors[0], (made.usage,)

    def _prepared(self, question: Question) -> Prepared:
        """The question taken apart; without a vector so far."""
        query = analyze_query(question.text, question.reference_time)
        limit = max(self._settings.candidates, 2 * question.top_k)
        if question.diversity:
            limit = max(limit, DIVERSE_POOL)
        return Prepared(question, query, None, self._settings.weights, limit, self._settings.expand_best)

    async def _with_messages(self, prepared: Prepared, stages: Stages) -> tuple[Prepared, FoundMessages]:
        """The messages that match, if they count or are asked for, and the question with what was drawn
        from them."""
        counts = prepared.weights.message > 0.0 and prepared.question.mode is Mode.HYBRID
        if not counts and not prepared.question.include_messages:
            return prepared, FoundMessages()
        with stages.stage("retrieve"):
            messages = await self._messages.find(prepared)
            drawn = await self._messages.drawn(prepared, messages) if counts else {}
        return replace(prepared, drawn=drawn), messages

    async def _ranked(
        self,
        place: Place,
        prepared: Prepared,
        vector: Vectors | None,
        usage: tuple[ProviderUsage, ...],
        stages: Stages,
    ) -> Fused:
        question = prepared.question
        prepared = in_mode(replace(prepared, vector=vector))
        with stages.stage("retrieve"):
            found = await place.find(prepared)
        with stages.stage("fuse"):
            order = fuse(prepared.query, found.candidates, found.statistics, prepared.weights, prepared.drawn)
            passed = [hit for hit in order if hit.score >= question.threshold]
            chosen = _varied(passed, found, question)
        fell_back = vector is None and question.mode is Mode.HYBRID
        notices = (_NO_EMBEDDER,) if fell_back else ()
        return Fused(prepared, found, tuple(chosen), len(passed), usage, notices)


def _by_score(hit: Hit) -> float:
    return -hit.score


def in_mode(prepared: Prepared) -> Prepared:
    """With the weights of its mode, and without what that mode does not look at.

    A hybrid search without a vector goes by words alone: its score is then a keyword search's.
    """
    mode, weights = prepared.question.mode, prepared.weights
    if mode is Mode.SEMANTIC:
        query = replace(prepared.query, terms=(), names=(), phrases=())
        return replace(prepared, query=query, weights=weights.semantic_only(), expand_best=0)
    if mode is Mode.KEYWORD or prepared.vector is None:
        query = replace(prepared.query, names=())
        return replace(prepared, query=query, weights=weights.keyword_only(), expand_best=0)
    return prepared


def _varied(hits: list[RankedHit], found: Found, question: Question) -> list[RankedHit]:
    """The hits with repetitions moved down, if asked for; what lies beyond the pool stays as it is."""
    if not question.diversity:
        return hits
    pool = hits[: max(DIVERSE_POOL, 3 * question.top_k)]
    vectors = {hit.memory_id: found.vectors(hit.memory_id) for hit in pool}
    return diversify(pool, vectors, 1.0 - question.diversity, len(pool)) + hits[len(pool) :]
