"""Streams as context managers: leaving one cancels its call."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from mnemon._async.transport import AsyncDialogue, AsyncDownload, AsyncTransport
from mnemon._convert.memory import read_memory, read_version
from mnemon._convert.search_service import (
    read_hit_page,
    read_live_search_response,
    read_revision,
    read_search_summary,
)
from mnemon._errors import MnemonError
from mnemon._hits import HitBoard
from mnemon._resume import Resumption
from mnemon._types import (
    HitPage,
    LiveSearchResponse,
    Memory,
    Revision,
    SearchHit,
    SearchSummary,
    Version,
)
from mnemon.v1 import search_service_pb2
from mnemon.v1.memory_service_pb2 import (
    ExportMemoriesRequest,
    ExportMemoriesResponse,
    WatchMemoriesRequest,
    WatchMemoriesResponse,
)

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")
M = TypeVar("M")
Q = TypeVar("Q")


class AsyncStream(Generic[T]):
    """Something that the server sends piece by piece.

    Use it with `async with`, so that leaving it, however, ends the call on the server too.
    """

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            piece = await self._next()
        except BaseException:
            await self.close()
            raise
        if piece is None:
            await self.close()
            raise StopAsyncIteration
        return piece

    async def _start(self) -> None:
        """Sends what begins the stream."""

    async def _next(self) -> T | None:
        """The next piece; None after the last."""
        raise NotImplementedError

    async def close(self) -> None:
        """Ends the call on both sides; does nothing if it has ended."""
        raise NotImplementedError


class AsyncSearchStream(AsyncStream[HitPage | Revision | SearchSummary]):
    """A search whose pieces come as they are known: pages of hits, a reranker's moves, the summary."""

    def __init__(
        self,
        transport: AsyncTransport,
        request: search_service_pb2.StreamSearchRequest,
        timeout: float | None,
    ) -> None:
        self._download = AsyncDownload(transport, transport.search.StreamSearch, request, timeout)
        self._board = HitBoard()
        self.summary: SearchSummary | None = None
        """How the search went; None until the last piece has come."""

    @property
    def hits(self) -> tuple[SearchHit, ...]:
        """The hits in their order as of the last piece read."""
        return self._board.hits

    async def _start(self) -> None:
        self._download.start()

    async def _next(self) -> HitPage | Revision | SearchSummary | None:
        message = await self._download.read()
        kind = None if message is None else message.WhichOneof("content")
        if message is None or kind is None:
            return None
        if kind == "page":
            page = read_hit_page(message.page)
            self._board.add(page.hits)
            return page
        if kind == "revision":
            revision = read_revision(message.revision)
            self._board.revise(revision)
            return revision
        self.summary = read_search_summary(message.summary)
        return self.summary

    async def close(self) -> None:
        """Ends the search; the server stops working on it."""
        self._download.cancel()


class AsyncLiveSearch(AsyncStream[LiveSearchResponse]):
    """A search that follows what somebody is still saying: send the text so far, read what changed."""

    def __init__(
        self, transport: AsyncTransport, request: search_service_pb2.SearchRequest, timeout: float | None
    ) -> None:
        self._transport = transport
        self._request = request
        self._timeout = timeout
        self._dialogue: (
            AsyncDialogue[search_service_pb2.LiveSearchRequest, search_service_pb2.LiveSearchResponse] | None
        ) = None
        self._board = HitBoard()

    @property
    def hits(self) -> tuple[SearchHit, ...]:
        """The hits in their order as of the last answer read."""
        return self._board.hits

    async def _open(
        self,
    ) -> AsyncDialogue[search_service_pb2.LiveSearchRequest, search_service_pb2.LiveSearchResponse]:
        if self._dialogue is None:
            method = self._transport.search.LiveSearch
            self._dialogue = AsyncDialogue(self._transport, method, self._timeout)
            await self._dialogue.write(search_service_pb2.LiveSearchRequest(search=self._request))
        return self._dialogue

    async def _start(self) -> None:
        await self._open()

    async def send(self, text: str, *, final: bool = False) -> None:
        """Says what was said so far: the whole text, not only what is new. With `final`, it is finished
        and is answered at once.
        """
        utterance = search_service_pb2.Utterance(text=text, final=final)
        dialogue = await self._open()
        await dialogue.write(search_service_pb2.LiveSearchRequest(utterance=utterance))

    async def finish(self) -> None:
        """Says that nothing more will be sent; the iteration ends with the last answer."""
        dialogue = await self._open()
        await dialogue.finish()

    async def receive(self) -> LiveSearchResponse | None:
        """The next answer: what changed since the one before. None after the last."""
        return await self._next()

    async def _next(self) -> LiveSearchResponse | None:
        dialogue = await self._open()
        message = await dialogue.read()
        if message is None:
            return None
        change = read_live_search_response(message)
        self._board.apply(change)
        return change

    async def close(self) -> None:
        """Ends the dialogue on both sides."""
        if self._dialogue is not None:
            self._dialogue.cancel()


class AsyncResumingDownload(Generic[Q, M]):
    """A stream whose messages carry tokens: after a break it goes on behind the last one."""

    def __init__(
        self,
        transport: AsyncTransport,
        open_at: Callable[[str], AsyncDownload[Q, M]],
        token_of: Callable[[M], str],
        resumption: Resumption,
    ) -> None:
        self._transport = transport
        self._open_at = open_at
        self._token_of = token_of
        self._resumption = resumption
        self._download = open_at("")
        self._left = False
        self.resume_token = ""
        """The token of the last message read; empty before the first."""

    def start(self) -> None:
        """Sends the request, if it was not sent yet."""
        self._download.start()

    async def read(self) -> M | None:
        """The next message; None after the last, or once the stream was left."""
        while not self._left:
            try:
                message = await self._download.read()
            except MnemonError as failure:
                error = failure
            else:
                if message is not None:
                    self._resumption.progressed()
                    self.resume_token = self._token_of(message)
                return message
            await self._transport.pause(self._resumption.delay_after(error))
            self._download = self._open_at(self.resume_token)
        return None

    def cancel(self) -> None:
        """Ends the call on both sides; does nothing if it has ended."""
        self._left = True
        self._download.cancel()


class AsyncWatch(AsyncStream[Version]):
    """The project's log as it grows: each change once, in order.

    When the connection breaks, the server restarts, or this side fell too far behind, the stream goes on
    after the last change that was read.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        request: WatchMemoriesRequest,
        resumption: Resumption,
    ) -> None:
        def open_at(
            token: str,
        ) -> AsyncDownload[WatchMemoriesRequest, WatchMemoriesResponse]:
            resumed = WatchMemoriesRequest()
            resumed.CopyFrom(request)
            if token:
                resumed.resume_token = token
            return AsyncDownload(transport, transport.memory.WatchMemories, resumed, None)

        self._download: AsyncResumingDownload[WatchMemoriesRequest, WatchMemoriesResponse] = (
            AsyncResumingDownload(transport, open_at, lambda message: message.resume_token, resumption)
        )
        self._waiting: deque[Version] = deque()
        self.sequence = 0
        """Place in the log up to which everything was sent or left out by the filter; 0 before the first
        sign of life."""
        self.resume_token = request.resume_token
        """Give it to `watch` to go on from here in another process: everything that it covers has been
        handed out. Changes behind it may be handed out again."""

    async def _start(self) -> None:
        """Waits for the server's first sign of life, which it sends at once: from then on no change is
        missed, whatever breaks.
        """
        await self._take()

    async def _take(self) -> bool:
        message = await self._download.read()
        if message is None:
            return False
        self.sequence = message.sequence
        self._waiting.extend(read_version(version) for version in message.versions)
        if not self._waiting:
            self.resume_token = self._download.resume_token
        return True

    async def _next(self) -> Version | None:
        while not self._waiting:
            if not await self._take():
                return None
        version = self._waiting.popleft()
        if not self._waiting:
            self.resume_token = self._download.resume_token
        return version

    async def close(self) -> None:
        """Stops watching."""
        self._download.cancel()


class AsyncExport(AsyncStream[Memory]):
    """Every memory that was asked for, as of one place in the log; goes on by itself after a break."""

    def __init__(
        self,
        transport: AsyncTransport,
        request: ExportMemoriesRequest,
        resumption: Resumption,
    ) -> None:
        def open_at(
            token: str,
        ) -> AsyncDownload[ExportMemoriesRequest, ExportMemoriesResponse]:
            resumed = ExportMemoriesRequest()
            resumed.CopyFrom(request)
            if token:
                resumed.resume_token = token
            return AsyncDownload(transport, transport.memory.ExportMemories, resumed, None)

        self._download: AsyncResumingDownload[ExportMemoriesRequest, ExportMemoriesResponse] = (
            AsyncResumingDownload(transport, open_at, lambda message: message.resume_token, resumption)
        )
        self._waiting: deque[Memory] = deque()
        self.versions: deque[Version] = deque()
        """Versions that came with the memories read so far, if they were asked for. Take them out as you
        go (`popleft`), or they gather."""
        self.sequence = 0
        """The place in the log that the export shows; 0 before the first memory."""
        self.exported_count = 0
        """Memories received so far."""
        self.resume_token = request.resume_token
        """Give it to `export_memories`, with the same arguments, to go on from here."""

    async def _start(self) -> None:
        self._download.start()

    async def _next(self) -> Memory | None:
        while not self._waiting:
            self.resume_token = self._download.resume_token or self.resume_token
            message = await self._download.read()
            if message is None:
                return None
            self.sequence = message.sequence
            self.exported_count = message.exported_count
            self.versions.extend(read_version(version) for version in message.versions)
            self._waiting.extend(read_memory(memory) for memory in message.memories)
        memory = self._waiting.popleft()
        if not self._waiting:
            self.resume_token = self._download.resume_token
        return memory

    async def close(self) -> None:
        """Ends the export."""
        self._download.cancel()
