"""The whole answer to a question: the fused order, its memories, messages if asked for, a second look."""

from __future__ import annotations

from collections.abc import Sequence

from mnemon_service.model.call import Call
from mnemon_service.model.usage import NoMeter, ProviderUsage, UsageMeter
from mnemon_service.search.question import Answer, Hit, Question
from mnemon_service.search.reranking.applying import Reranked, Reranking
from mnemon_service.search.retrieval import Place
from mnemon_service.search.searching import Fused, Searcher
from mnemon_service.search.settings import SearchSettings


class Answerer:
    """Answers questions at once, or gives the parts of an answer as they become known."""

    def __init__(
        self,
        searcher: Searcher,
        reranking: Reranking,
        settings: SearchSettings,
        meter: UsageMeter | None = None,
    ) -> None:
        self._meter = meter or NoMeter()
        self._searcher = searcher
        self._reranking = reranking
        self._settings = settings

    async def answer(self, question: Question, call: Call) -> Answer:
        """The best `top_k` hits. Errors as `Searcher.fused`."""
        fused = await self.fused(question, call)
        if not question.rerank:
            hits = await self.hits(fused, question.top_k, call)
            return Answer(tuple(hits), fused.summary())
        reranked = await self.reranked(fused, (), call)
        summary = fused.summary(reranked.usage, reranked.notices)
        return Answer(reranked.hits[: question.top_k], summary)

    async def fused(self, question: Question, call: Call, warm: Place | None = None) -> Fused:
        """The final fused order; see `Searcher.fused`."""
        self._meter.searched(question.access.project_id, question.selection.scope.owner)
        fused = await self._searcher.fused(question, call.stages, warm)
        self._spent(question, call, fused.usage)
        return fused

    async def hits(self, fused: Fused, count: int, call: Call) -> list[Hit]:
        """The best hits in their fused order."""
        return await self._searcher.hydrated(fused, count, call.stages)

    async def reranked(self, fused: Fused, shown: Sequence[Hit], call: Call) -> Reranked:
        """All hits that the reranker saw, in its order; `shown` are those that were read already."""
        question = fused.question
        wanted = max(question.top_k, self._settings.rerank_candidates)
        hits = list(shown)
        if len(hits) < min(wanted, len(fused.order)):
            hits = await self.hits(fused, wanted, call)
        with call.stages.stage("rerank"):
            reranked = await self._reranking.apply(question, hits, call.time_remaining)
        self._spent(question, call, reranked.usage)
        return reranked

    def _spent(self, question: Question, call: Call, usage: Sequence[ProviderUsage]) -> None:
        project_id, owner = question.access.project_id, question.selection.scope.owner
        self._meter.spent(project_id, call.caller.key_id, usage, owner)
