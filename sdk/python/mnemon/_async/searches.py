"""The verbs of SearchService: find, as a list, a stream, a conversation or a prompt."""

from __future__ import annotations

from datetime import datetime

from mnemon._async.streams import AsyncLiveSearch, AsyncSearchStream
from mnemon._async.transport import AsyncTransport
from mnemon._convert import enums
from mnemon._convert.search_service import read_build_context_response, read_search_response
from mnemon._requests import AsOf, Query, ScopeIds, Selection
from mnemon._types import BuildContextResponse, ContextFormat, SearchMode, SearchResponse
from mnemon.filters import Filters
from mnemon.v1 import search_service_pb2


class AsyncSearches:
    """Finds memories by meaning, words, names and time."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        mode: SearchMode | str | None = None,
        rerank: bool = False,
        diversity: float | None = None,
        as_of: AsOf | None = None,
        reference_time: datetime | None = None,
        show_superseded: bool = False,
        include_messages: bool = False,
        explain: bool = False,
        timeout: float | None = None,
    ) -> SearchResponse:
        """The best memories for a query; iterate over it for the hits, best first.

        Args:
            query: The question or words, 1 to 8,192 bytes.
            user_id: Whose memories; at least one of the four ids unless `project_wide`.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            project_wide: Of the whole project (role admin).
            filters: Which of them: a condition made with `F`, mem0's JSON, or the contract's filter.
            top_k: Hits wanted: 1 to 200, 10 if left out.
            threshold: Leaves out hits that score less, 0 to 1; a score means the same from query to query.
            mode: HYBRID (the default), SEMANTIC or KEYWORD.
            rerank: Let the project's reranker reorder the best.
            diversity: Trades relevance for variety: 0 (none, the default) to 1.
            as_of: Searches what was known at this time or place in the log.
            reference_time: What "now" is for "last spring" in the query; the time of the call if left out.
            show_superseded: Superseded memories too, marked by their state.
            include_messages: Messages of the conversation log too, as hits of their own.
            explain: Say of each hit why it stands where it does.
            timeout: Seconds for the call; the client's if left out.

        Raises:
            InvalidArgumentError: No scope id (SCOPE_REQUIRED), or a field or filter is wrong.
            UnavailableError: The index or a model does not answer.
        """
        request = Query(
            query,
            Selection(ScopeIds(user_id, agent_id, app_id, run_id), filters, project_wide),
            top_k,
            threshold,
            mode,
            rerank,
            diversity,
            as_of,
            reference_time,
            show_superseded,
            include_messages,
            explain,
        ).request()
        answer = await self._transport.unary(self._transport.search.Search, request, timeout)
        return read_search_response(answer)

    def search_stream(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        mode: SearchMode | str | None = None,
        rerank: bool = False,
        diversity: float | None = None,
        as_of: AsOf | None = None,
        reference_time: datetime | None = None,
        show_superseded: bool = False,
        include_messages: bool = False,
        explain: bool = False,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncSearchStream:
        """A search whose pieces come as they are known: `HitPage`, `Revision` (a reranker's moves), last
        `SearchSummary`. A context manager to iterate over; leaving it stops the work on the server.

        Takes what `search` takes, and `page_size`: hits a page, 1 to 50, 10 if left out. Its `hits` hold
        the order as of the last piece read.
        """
        search = Query(
            query,
            Selection(ScopeIds(user_id, agent_id, app_id, run_id), filters, project_wide),
            top_k,
            threshold,
            mode,
            rerank,
            diversity,
            as_of,
            reference_time,
            show_superseded,
            include_messages,
            explain,
        ).request()
        request = search_service_pb2.StreamSearchRequest(search=search, page_size=page_size)
        seconds = self._transport.timeout if timeout is None else timeout
        return AsyncSearchStream(self._transport, request, seconds)

    def live_search(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        mode: SearchMode | str | None = None,
        rerank: bool = False,
        diversity: float | None = None,
        as_of: AsOf | None = None,
        reference_time: datetime | None = None,
        show_superseded: bool = False,
        include_messages: bool = False,
        explain: bool = False,
        timeout: float | None = None,
    ) -> AsyncLiveSearch:
        """A search that follows what somebody is still saying, for voice and typing agents.

        A context manager: `send` the text so far as often as it grows, and iterate over what changed; its
        `hits` hold the order as of the last answer read. Takes what `search` takes, but for the query.
        Without `timeout` it may last as long as the conversation.
        """
        request = Query(
            "live",  # the contract wants one here and does not search it
            Selection(ScopeIds(user_id, agent_id, app_id, run_id), filters, project_wide),
            top_k,
            threshold,
            mode,
            rerank,
            diversity,
            as_of,
            reference_time,
            show_superseded,
            include_messages,
            explain,
        ).request()
        return AsyncLiveSearch(self._transport, request, timeout)

    async def build_context(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        token_budget: int | None = None,
        context_format: ContextFormat | str | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        mode: SearchMode | str | None = None,
        rerank: bool = False,
        diversity: float | None = None,
        as_of: AsOf | None = None,
        reference_time: datetime | None = None,
        show_superseded: bool = False,
        timeout: float | None = None,
    ) -> BuildContextResponse:
        """The best memories within a token budget as ready prompt text, with a citation for each.

        `str()` gives the text; `as_message()` gives it as a message marked as recalled, so that adding the
        conversation later does not remember it again. Takes what `search` takes, and:

        Args:
            query: What the prompt is about.
            user_id: Whose memories; at least one of the four ids unless `project_wide`.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            project_wide: Of the whole project (role admin).
            filters: Which of them.
            token_budget: Tokens that the text may take, 16 to 100,000; 1,000 if left out.
            context_format: MARKDOWN (the default) or XML.
            top_k: Hits to choose from; 50 if left out.
            threshold: As in `search`.
            mode: As in `search`.
            rerank: As in `search`.
            diversity: As in `search`.
            as_of: As in `search`.
            reference_time: As in `search`.
            show_superseded: As in `search`.
            timeout: Seconds for the call; the client's if left out.
        """
        search = Query(
            query,
            Selection(ScopeIds(user_id, agent_id, app_id, run_id), filters, project_wide),
            top_k,
            threshold,
            mode,
            rerank,
            diversity,
            as_of,
            reference_time,
            show_superseded,
        ).request()
        request = search_service_pb2.BuildContextRequest(
            search=search, token_budget=token_budget, format=enums.CONTEXT_FORMAT.write(context_format)
        )
        answer = await self._transport.unary(self._transport.search.BuildContext, request, timeout)
        return read_build_context_response(answer)
