"""The whole answer to a question: the fused order, its memories, messages if asked for, a second look."""

from __future__ import annotations

from mnemon_service.model.call import Call
from mnemon_service.search.question import Answer, Hit, Question
from mnemon_service.search.reranking.applying import Reranking
from mnemon_service.search.searching import Fused, Searcher
from mnemon_service.search.settings import SearchSettings


class Answerer:
    """Answers a question at once; `streaming` answers it piece by piece from the same parts."""

    def __init__(self, searcher: Searcher, reranking: Reranking, settings: SearchSettings) -> None:
        self._searcher = searcher
        self._reranking = reranking
        self._settings = settings

    async def answer(self, question: Question, call: Call) -> Answer:
        """The best `top_k` hits. Errors as `Searcher.fused`."""
        fused = await self._searcher.fused(question, call.stages)
        hits = await self.first_hits(fused, call)
        if not question.rerank:
            return Answer(tuple(hits[: question.top_k]), fused.summary())
        with call.stages.stage("rerank"):
            reranked = await self._reranking.apply(question, hits, call.time_remaining)
        summary = fused.summary(reranked.usage, reranked.notices)
        return Answer(reranked.hits[: question.top_k], summary)

    async def first_hits(self, fused: Fused, call: Call) -> list[Hit]:
        """The hits in their fused order: as many as wanted, or as a reranker is to see."""
        question = fused.question
        wanted = question.top_k
        if question.rerank:
            wanted = max(wanted, self._settings.rerank_candidates)
        return await self._searcher.hydrated(fused, wanted, call.stages)
