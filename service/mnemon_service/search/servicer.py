"""SearchService: the contract's RPCs over the parts of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.index.protocol import MemoryIndex
from mnemon_service.model.call import Call, Send
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.settings import SettingsSource
from mnemon_service.model.usage import UsageMeter
from mnemon_service.providers.embedding import Embedder
from mnemon_service.record.record import Record
from mnemon_service.record.times import Clock, utc_now
from mnemon_service.search import context
from mnemon_service.search.answering import Answerer
from mnemon_service.search.index_retrieval import IndexPlaces, IndexPosition
from mnemon_service.search.live import LiveSession
from mnemon_service.search.recall import Recall
from mnemon_service.search.requests import from_search, settings_of
from mnemon_service.search.reranking.applying import NoRerankers, Rerankers, Reranking
from mnemon_service.search.responses import write_hits, write_summary
from mnemon_service.search.retrieval import ScopePlaces
from mnemon_service.search.searching import Searcher
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.streaming import Streamer
from mnemon_service.search.views import Views

DEFAULT_PAGE_SIZE: Final = 10


class SearchServicer:
    """Implements the contract's SearchService.

    Args:
        embedder: None leaves search by words.
        position: how far the index has applied the log.
        settings: which reranker a project uses.
        rerankers: those that the server offers.
        options: weights and bounds.
        now: the time of a question that names none.
        meter: hears of searches and of what they cost.
    """

    def __init__(
        self,
        record: Record,
        index: MemoryIndex,
        embedder: Embedder | None,
        position: IndexPosition,
        settings: SettingsSource,
        rerankers: Rerankers | None = None,
        options: SearchSettings | None = None,
        now: Clock = utc_now,
        meter: UsageMeter | None = None,
    ) -> None:
        options = options or SearchSettings()
        space, dimension = (embedder.name, embedder.dimension) if embedder else ("", 1)
        self.views = Views(record, space, dimension, options)
        """The scopes in memory; `forget` a project after an erasure."""
        index_places = IndexPlaces(record, index, position, space, dimension, options)
        places = ScopePlaces(record, self.views, index_places, space, dimension, options)
        self.recall = Recall(record, places, now)
        """For the write path."""
        reranking = Reranking(rerankers or NoRerankers(), settings, options.rerank_seconds)
        self._answerer = Answerer(Searcher(record, places, embedder, options, now), reranking, options, meter)
        self._streamer = Streamer(self._answerer)
        self._options = options
        self._now = now

    async def Search(self, request: pb.SearchRequest, call: Call) -> pb.SearchResponse:  # noqa: N802
        """See the contract."""
        question = from_search(request, call.caller, self._now)
        answer = await self._answerer.answer(question, call)
        response = pb.SearchResponse()
        write_hits(answer.hits, response.hits)
        write_summary(answer.summary, call.stages, response.summary)
        return response

    async def StreamSearch(  # noqa: N802
        self, request: pb.StreamSearchRequest, call: Call, send: Send[pb.StreamSearchResponse]
    ) -> None:
        """See the contract."""
        question = from_search(request.search, call.caller, self._now)
        await self._streamer.stream(question, request.page_size or DEFAULT_PAGE_SIZE, call, send)

    async def LiveSearch(  # noqa: N802
        self,
        requests: AsyncIterator[pb.LiveSearchRequest],
        call: Call,
        send: Send[pb.LiveSearchResponse],
    ) -> None:
        """See the contract."""
        first = await anext(requests, None)
        if first is None:
            return
        if first.WhichOneof("content") != "search":
            raise InvalidArgument.of("content", "must be the search in the first message")
        question = settings_of(first.search, call.caller, self._now)
        await LiveSession(self._answerer, self._options, question, call, send).run(requests)

    async def BuildContext(  # noqa: N802
        self, request: pb.BuildContextRequest, call: Call
    ) -> pb.BuildContextResponse:
        """See the contract."""
        question = from_search(request.search, call.caller, self._now, context.DEFAULT_TOP_K)
        answer = await self._answerer.answer(question, call)
        budget = request.token_budget if request.HasField("token_budget") else context.DEFAULT_TOKEN_BUDGET
        as_text = context.as_xml if request.format == pb.CONTEXT_FORMAT_XML else context.as_markdown
        hits = context.labelled(answer.hits)
        packed = as_text(hits, budget)
        response = pb.BuildContextResponse(text=packed.text, token_count=packed.tokens)
        for label in packed.included:
            response.citations.add(label=label, memory_id=hits[label].id, score=hits[label].score)
        for label, reason in packed.left_out:
            response.left_out.add(memory_id=hits[label].id, reason=reason.value)
        write_summary(answer.summary, call.stages, response.summary)
        return response
