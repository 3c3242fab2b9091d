"""A search as a stream: pages of the fused order at once, a reranker's moves after them, a summary last."""

from __future__ import annotations

from collections.abc import Sequence

from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.model.call import Call, Send
from mnemon_service.search.answering import Answerer
from mnemon_service.search.question import Hit, Question
from mnemon_service.search.responses import write_hit, write_hits, write_summary


class Streamer:
    """Answers a question piece by piece."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    async def stream(
        self, question: Question, page_size: int, call: Call, send: Send[pb.StreamSearchResponse]
    ) -> None:
        """Sends the pages, then the moves if a reranker was asked for, then the summary.

        Being cancelled stops whatever is under way, the reranker's work included. Errors as
        `Answerer.answer`; after the first page a failing reranker is a notice.
        """
        fused = await self._answerer.fused(question, call)
        shown = await self._answerer.hits(fused, question.top_k, call)
        for start in range(0, len(shown), page_size):
            response = pb.StreamSearchResponse()
            write_hits(shown[start : start + page_size], response.page.hits, start + 1)
            await send(response)
        summary = fused.summary()
        if question.rerank:
            reranked = await self._answerer.reranked(fused, shown, call)
            response = pb.StreamSearchResponse()
            write_moves(shown, reranked.hits[: question.top_k], response.revision)
            if response.revision.moves:
                await send(response)
            summary = fused.summary(reranked.usage, reranked.notices)
        response = pb.StreamSearchResponse()
        write_summary(summary, call.stages, response.summary)
        await send(response)


def write_moves(before: Sequence[Hit], after: Sequence[Hit], target: pb.Revision) -> None:
    """Writes every hit whose place changed: those that stand now by their new place, then those that
    fell out by their old one."""
    old = {hit.id: rank for rank, hit in enumerate(before, start=1)}
    new = {hit.id for hit in after}
    for rank, hit in enumerate(after, start=1):
        stood = old.get(hit.id, 0)
        if stood == rank:
            continue
        move = target.moves.add(memory_id=hit.id, from_rank=stood, to_rank=rank, score=hit.score)
        if not stood:
            write_hit(hit, rank, move.hit)
    for hit in before:
        if hit.id not in new:
            target.moves.add(memory_id=hit.id, from_rank=old[hit.id], score=hit.score)
