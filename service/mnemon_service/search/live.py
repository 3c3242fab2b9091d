"""LiveSearch: a conversation's partial utterances in, what changed among the hits out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.model.call import Call, Send
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.search.answering import Answerer
from mnemon_service.search.question import Hit, Notice, Question
from mnemon_service.search.responses import write_hit, write_notices
from mnemon_service.search.retrieval import Place
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.utterances import Utterance, Utterances

WARM_SECONDS: Final = 2.0
"""How long the candidates of a text serve for what it grew into."""


class LiveSession:
    """One caller's live search."""

    def __init__(
        self,
        answerer: Answerer,
        settings: SearchSettings,
        question: Question,
        call: Call,
        send: Send[pb.LiveSearchResponse],
    ) -> None:
        self._answerer = answerer
        self._settings = settings
        self._question = question
        self._call = call
        self._send = send
        self._shown: list[Hit] = []
        self._revision = 0
        self._text = ""
        self._warm: Place | None = None
        self._warm_until = 0.0

    async def run(self, requests: AsyncIterator[pb.LiveSearchRequest]) -> None:
        """Answers until the caller has said all; being cancelled stops the work.

        Raises `InvalidArgument` for a message that is no utterance; errors as `Answerer.answer`.
        """
        utterances = Utterances(
            self._settings.live_debounce_seconds, self._settings.live_longest_wait_seconds
        )
        reading = asyncio.create_task(_read(requests, utterances))
        try:
            while (utterance := await utterances.next()) is not None:
                await self._answer(utterance)
            await reading
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reading

    async def _answer(self, utterance: Utterance) -> None:
        hits, notices = await self._hits(utterance)
        response = pb.LiveSearchResponse(text=utterance.text, final=utterance.final)
        write_difference(self._shown, hits, response)
        write_notices(notices, response.notices)
        self._shown = hits
        # An unfinished utterance that changes nothing is not worth a message.
        if utterance.final or response.added or response.removed_memory_ids or response.moved:
            self._revision += 1
            response.revision = self._revision
            await self._send(response)

    async def _hits(self, utterance: Utterance) -> tuple[list[Hit], Sequence[Notice]]:
        if not utterance.text.strip():
            return [], ()
        question = replace(self._question, text=utterance.text)
        fused = await self._answerer.fused(question, self._call, self._kept(utterance))
        if utterance.final and question.rerank:
            reranked = await self._answerer.reranked(fused, (), self._call)
            summary = fused.summary(reranked.usage, reranked.notices)
            return list(reranked.hits[: question.top_k]), summary.notices
        if self._warm is None:
            self._warm, self._warm_until = fused.found.warm, time.monotonic() + WARM_SECONDS
        self._text = utterance.text
        return await self._answerer.hits(fused, question.top_k, self._call), fused.summary().notices

    def _kept(self, utterance: Utterance) -> Place | None:
        """The candidates of the text that this one grew from, while they are fresh. A finished utterance
        gets a full search."""
        grown = bool(self._text) and utterance.text.startswith(self._text)
        if utterance.final or not grown or time.monotonic() > self._warm_until:
            self._warm = None
        return self._warm


async def _read(requests: AsyncIterator[pb.LiveSearchRequest], utterances: Utterances) -> None:
    try:
        async for request in requests:
            if request.WhichOneof("content") != "utterance":
                raise InvalidArgument.of("content", "must be an utterance after the first message")
            await utterances.put(Utterance(request.utterance.text, request.utterance.final))
    finally:
        utterances.end()


def write_difference(before: Sequence[Hit], after: Sequence[Hit], target: pb.LiveSearchResponse) -> None:
    """Writes what is new with its rank, what is gone, and what stayed elsewhere."""
    old = {hit.id: rank for rank, hit in enumerate(before, start=1)}
    new = {hit.id for hit in after}
    for rank, hit in enumerate(after, start=1):
        stood = old.get(hit.id)
        if stood is None:
            write_hit(hit, rank, target.added.add())
        elif stood != rank:
            target.moved.add(memory_id=hit.id, from_rank=stood, to_rank=rank, score=hit.score)
    target.removed_memory_ids.extend(hit.id for hit in before if hit.id not in new)
