"""SearchService: the contract's RPCs over the parts of this room."""

from __future__ import annotations

from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.index.protocol import MemoryIndex
from mnemon_service.model.call import Call
from mnemon_service.model.settings import SettingsSource
from mnemon_service.providers.embedding import Embedder
from mnemon_service.record.record import Record
from mnemon_service.record.times import Clock, utc_now
from mnemon_service.search.answering import Answerer
from mnemon_service.search.index_retrieval import IndexPlaces, IndexPosition
from mnemon_service.search.recall import Recall
from mnemon_service.search.requests import from_search
from mnemon_service.search.reranking.applying import NoRerankers, Rerankers, Reranking
from mnemon_service.search.responses import write_hits, write_summary
from mnemon_service.search.retrieval import ScopePlaces
from mnemon_service.search.searching import Searcher
from mnemon_service.search.settings import SearchSettings
from mnemon_service.search.views import Views


class SearchServicer:
    """Implements the contract's SearchService.

    Args:
        embedder: None leaves search by words.
        position: how far the index has applied the log.
        settings: which reranker a project uses.
        rerankers: those that the server offers.
        options: weights and bounds.
        now: the time of a question that names none.
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
        self._answerer = Answerer(Searcher(record, places, embedder, options), reranking, options)
        self._now = now

    async def Search(self, request: pb.SearchRequest, call: Call) -> pb.SearchResponse:  # noqa: N802
        """See the contract."""
        question = from_search(request, call.caller, self._now)
        answer = await self._answerer.answer(question, call)
        response = pb.SearchResponse()
        write_hits(answer.hits, response.hits)
        write_summary(answer.summary, call.stages, response.summary)
        return response
