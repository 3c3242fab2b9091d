"""The verbs of MemoryService: add, read, change, delete, follow."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mnemon import _values as values
from mnemon._async.paging import AsyncPager
from mnemon._async.streams import AsyncExport, AsyncWatch
from mnemon._async.transport import AsyncTransport, each
from mnemon._convert import enums
from mnemon._convert.memory import read_memory, read_version
from mnemon._convert.memory_service import (
    read_add_memories_response,
    read_batch_get_memories_response,
    read_delete_memories_response,
    read_import_memories_response,
    write_import_row,
)
from mnemon._convert.operation import read_operation
from mnemon._messages import Messages
from mnemon._metadata import new_request_id
from mnemon._page import Page
from mnemon._requests import (
    UNSET,
    Addition,
    AnyEntity,
    AnyEventTime,
    AsOf,
    MemoryUpdate,
    ScopeIds,
    Selection,
    Unset,
    at_page,
    write_as_of,
)
from mnemon._resume import Resumption
from mnemon._types import (
    AddMemoriesResponse,
    BatchGetMemoriesResponse,
    DeleteMemoriesResponse,
    FeedbackRating,
    ImportMemoriesResponse,
    ImportRow,
    ListOrder,
    Memory,
    MemoryType,
    Operation,
    Version,
    VersionEvent,
)
from mnemon.filters import Filters
from mnemon.v1 import memory_service_pb2

IMPORT_ROWS = 500
"""Rows in one message of an import, at most."""
IMPORT_BYTES = 1024 * 1024
"""A message of an import is sent once its rows take so many bytes."""
PATIENCE = 300.0
"""Seconds that a broken stream is tried to be resumed."""


class AsyncMemories:
    """Remembers, and keeps the history of what it remembers."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def add(
        self,
        messages: Messages | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        texts: Sequence[str] = (),
        infer: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
        categories: Sequence[str] = (),
        memory_type: MemoryType | str | None = None,
        expire_time: datetime | None = None,
        ttl: timedelta | float | None = None,
        event_time: AnyEventTime | None = None,
        custom_instructions: str = "",
        includes: Sequence[str] = (),
        excludes: Sequence[str] = (),
        dry_run: bool = False,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AddMemoriesResponse:
        """What was remembered of a conversation: each decision, the memory after it, and why.

        Args:
            messages: A conversation, oldest message first: dictionaries with `role` and `content` as
                OpenAI and mem0 have them, `Message` objects, or one string that the user said.
            user_id: The person it is about. At least one of the four ids is needed.
            agent_id: The agent that remembers.
            app_id: The application or product.
            run_id: One conversation, session or task.
            texts: Plain texts without a speaker, beside or instead of messages.
            infer: True (the default): extract facts and reconcile them with what is known. False: store
                each text and each message's content as it is.
            metadata: Your own JSON values for every memory that comes of it; filters reach into it.
            categories: Categories for every memory that comes of it, beside those that are found.
            memory_type: SEMANTIC, EPISODIC or PROCEDURAL (summarises what an agent did).
            expire_time: When what comes of it ceases to be returned; never if left out.
            ttl: The same as a span of time or in seconds; give one of the two.
            event_time: When what the texts say happened, for `infer` False and for plain texts.
            custom_instructions: What to look for or leave alone, in words.
            includes: Subjects to remember only.
            excludes: Subjects to leave out.
            dry_run: Answer the whole plan, store nothing.
            request_id: Makes the call safe to repeat; made up if left out, and kept over retries.
            timeout: Seconds for the call, all tries together; the client's if left out.

        Raises:
            InvalidArgumentError: No scope id (SCOPE_REQUIRED), or a field breaks its rule.
            RequestIdReusedError: The `request_id` was used for something else.
            ProviderUnavailableError: The model does not answer. Nothing was stored.
            FailedPreconditionError: The project's policy refuses the content (CONTENT_REFUSED).
        """
        request = Addition(
            messages,
            texts,
            ScopeIds(user_id, agent_id, app_id, run_id),
            infer,
            metadata,
            categories,
            memory_type,
            expire_time,
            ttl,
            event_time,
            custom_instructions,
            includes,
            excludes,
            request_id,
            dry_run,
        ).request()
        answer = await self._transport.unary(self._transport.memory.AddMemories, request, timeout)
        return read_add_memories_response(answer)

    async def enqueue(
        self,
        messages: Messages | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        texts: Sequence[str] = (),
        infer: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
        categories: Sequence[str] = (),
        memory_type: MemoryType | str | None = None,
        expire_time: datetime | None = None,
        ttl: timedelta | float | None = None,
        event_time: AnyEventTime | None = None,
        custom_instructions: str = "",
        includes: Sequence[str] = (),
        excludes: Sequence[str] = (),
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Operation:
        """An operation that does what `add` does, in the background; `admin.operations.wait` awaits it.

        Takes what `add` takes, but for `dry_run`. Raises what `add` raises for the request itself, and
        `ResourceExhaustedError` (QUEUE_FULL).
        """
        addition = Addition(
            messages,
            texts,
            ScopeIds(user_id, agent_id, app_id, run_id),
            infer,
            metadata,
            categories,
            memory_type,
            expire_time,
            ttl,
            event_time,
            custom_instructions,
            includes,
            excludes,
            request_id,
        )
        request = memory_service_pb2.EnqueueMemoriesRequest(add=addition.request())
        answer = await self._transport.unary(self._transport.memory.EnqueueMemories, request, timeout)
        return read_operation(answer.operation)

    async def import_memories(
        self,
        rows: Iterable[ImportRow | Mapping[str, Any]] | AsyncIterable[ImportRow | Mapping[str, Any]],
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
        on_progress: Callable[[int], None] | None = None,
        timeout: float | None = None,
    ) -> ImportMemoriesResponse:
        """Counts of a bulk import, and each refused row. Rows are stored as they are, and as they come.

        Args:
            rows: `ImportRow` objects or mappings with their fields; `mnemon.jsonl` reads them from files.
                Given as a list (or anything else that can be read twice) they are sent again by itself
                after a break of the connection; what is stored already is skipped.
            user_id: The scope of rows that name none.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            dry_run: Check every row and report, store nothing.
            request_id: Names the import. After a break, call again with the same rows and the same name
                to go on.
            on_progress: Called with the number of rows sent so far.
            timeout: Seconds for the whole import; unbounded if left out.
        """
        options = memory_service_pb2.ImportOptions(
            request_id=request_id or new_request_id(),
            scope=ScopeIds(user_id, agent_id, app_id, run_id).message(),
            dry_run=dry_run,
        )

        async def requests() -> AsyncIterator[memory_service_pb2.ImportMemoriesRequest]:
            yield memory_service_pb2.ImportMemoriesRequest(options=options)
            sent = size = 0
            batch = memory_service_pb2.ImportRows()
            async for row in each(rows):
                message = write_import_row(row)
                batch.rows.append(message)
                size += message.ByteSize()
                if len(batch.rows) == IMPORT_ROWS or size >= IMPORT_BYTES:
                    yield memory_service_pb2.ImportMemoriesRequest(rows=batch)
                    sent += len(batch.rows)
                    size, batch = 0, memory_service_pb2.ImportRows()
                    if on_progress is not None:
                        on_progress(sent)
            if batch.rows:
                yield memory_service_pb2.ImportMemoriesRequest(rows=batch)
            if on_progress is not None:
                on_progress(sent + len(batch.rows))

        answer = await self._transport.upload(
            self._transport.memory.ImportMemories,
            requests,
            timeout,
            repeatable=not isinstance(rows, (Iterator, AsyncIterator)),
        )
        return read_import_memories_response(answer)

    def export_memories(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        as_of: AsOf | None = None,
        include_versions: bool = False,
        show_deleted: bool = False,
        show_superseded: bool = False,
        resume_token: str = "",
    ) -> AsyncExport:
        """Every memory that the arguments select, oldest first, as of one place in the log.

        A context manager to iterate over; after a break of the connection it goes on by itself.

        Args:
            user_id: Whose memories; at least one of the four ids unless `project_wide`.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            project_wide: Of the whole project (role admin).
            filters: Which of them: a condition made with `F`, mem0's JSON, or the contract's filter.
            as_of: As of this time or place in the log; as of the call's beginning if left out.
            include_versions: Each memory's versions too; they gather in `versions` of what is returned.
            show_deleted: Deleted and expired ones too.
            show_superseded: Superseded ones too.
            resume_token: Goes on where another export with the same arguments stopped.
        """
        scope, condition = Selection(
            ScopeIds(user_id, agent_id, app_id, run_id), filters, project_wide
        ).resolved()
        request = memory_service_pb2.ExportMemoriesRequest(
            scope=scope,
            project_wide=project_wide,
            filter=condition,
            as_of=write_as_of(as_of),
            include_versions=include_versions,
            show_deleted=show_deleted,
            show_superseded=show_superseded,
            resume_token=resume_token,
        )
        return AsyncExport(self._transport, request, Resumption(self._transport.retry, PATIENCE))

    async def get(self, memory_id: str, *, as_of: AsOf | None = None, timeout: float | None = None) -> Memory:
        """One memory. A superseded one is returned too, with its state; a deleted or expired one is not.

        Args:
            memory_id: Its id.
            as_of: As it was at this time or place in the log; as it is now if left out.
            timeout: Seconds for the call; the client's if left out.

        Raises:
            NotFoundError: No such memory in this key's project and scope.
        """
        request = memory_service_pb2.GetMemoryRequest(id=memory_id, as_of=write_as_of(as_of))
        answer = await self._transport.unary(self._transport.memory.GetMemory, request, timeout)
        return read_memory(answer.memory)

    async def get_many(
        self, memory_ids: Sequence[str], *, as_of: AsOf | None = None, timeout: float | None = None
    ) -> BatchGetMemoriesResponse:
        """Up to 1,000 memories in the order of their ids, and the ids that were not found."""
        request = memory_service_pb2.BatchGetMemoriesRequest(ids=memory_ids, as_of=write_as_of(as_of))
        answer = await self._transport.unary(self._transport.memory.BatchGetMemories, request, timeout)
        return read_batch_get_memories_response(answer)

    def list(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        order: ListOrder | str | None = None,
        page_size: int = 0,
        page_token: str = "",
        as_of: AsOf | None = None,
        show_deleted: bool = False,
        show_superseded: bool = False,
        timeout: float | None = None,
    ) -> AsyncPager[Memory]:
        """The memories that the arguments select: iterate over them, or over `pages()`.

        Pages neither skip nor repeat a memory while others write.

        Args:
            user_id: Whose memories; at least one of the four ids unless `project_wide`.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            project_wide: Of the whole project (role admin).
            filters: Which of them: a condition made with `F`, mem0's JSON, or the contract's filter.
            order: CREATE_TIME_DESC (the default), CREATE_TIME_ASC, UPDATE_TIME_DESC or UPDATE_TIME_ASC.
            page_size: Memories a page: 1 to 500, 50 if left out.
            page_token: Begins at the page that this token of another page names.
            as_of: As they were at this time or place in the log.
            show_deleted: Deleted and expired ones too, while their content is kept.
            show_superseded: Superseded ones too.
            timeout: Seconds for each page; the client's if left out.
        """
        scope, condition = Selection(
            ScopeIds(user_id, agent_id, app_id, run_id), filters, project_wide
        ).resolved()
        request = memory_service_pb2.ListMemoriesRequest(
            scope=scope,
            project_wide=project_wide,
            filter=condition,
            order=enums.LIST_ORDER.write(order),
            page_size=page_size,
            as_of=write_as_of(as_of),
            show_deleted=show_deleted,
            show_superseded=show_superseded,
        )

        async def fetch(token: str) -> Page[Memory]:
            page = at_page(request, token)
            answer = await self._transport.unary(self._transport.memory.ListMemories, page, timeout)
            items = tuple(read_memory(memory) for memory in answer.memories)
            return Page(items, answer.next_page_token, answer.sequence)

        return AsyncPager(fetch, page_token)

    async def get_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> tuple[Memory, ...]:
        """All memories that the arguments select, newest first, or the first `limit` of them: `list`, read
        to the end.
        """
        pager = self.list(
            user_id=user_id,
            agent_id=agent_id,
            app_id=app_id,
            run_id=run_id,
            project_wide=project_wide,
            filters=filters,
            page_size=500 if limit is None else max(1, min(500, limit)),
            timeout=timeout,
        )
        return await pager.collect(limit)

    async def update(
        self,
        memory_id: str,
        text: str | Unset = UNSET,
        *,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
        merge_metadata: Mapping[str, Any] | None = None,
        categories: Sequence[str] | Unset | None = UNSET,
        memory_type: MemoryType | str | Unset = UNSET,
        event_time: AnyEventTime | Unset | None = UNSET,
        expire_time: datetime | Unset | None = UNSET,
        attributed_to: str | Unset | None = UNSET,
        entities: Sequence[AnyEntity] | Unset | None = UNSET,
        etag: str = "",
        reason: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Memory:
        """The memory with the given fields changed. What is left out stays; None clears a field.

        Args:
            memory_id: The memory.
            text: The new statement; it is embedded anew.
            metadata: New JSON values in place of all the old ones.
            merge_metadata: JSON values to set key by key; other keys stay, a value of None removes its
                key. Give this or `metadata`.
            categories: New categories in place of the old ones.
            memory_type: SEMANTIC, EPISODIC or PROCEDURAL.
            event_time: When it happened or began to hold.
            expire_time: When it ceases to be returned.
            attributed_to: The speaker whose statement it is.
            entities: Named things that it speaks of, in place of the old ones.
            etag: If given, must be the current one.
            reason: Why, for the history.
            request_id: Makes the call safe to repeat; made up if left out, and kept over retries.
            timeout: Seconds for the call; the client's if left out.

        Raises:
            NotFoundError: No such memory in this key's project and scope.
            EtagMismatchError: Somebody else changed it first.
        """
        update = MemoryUpdate(
            memory_id=memory_id,
            text=text,
            metadata=metadata,
            merge_metadata=merge_metadata,
            categories=categories,
            memory_type=memory_type,
            event_time=event_time,
            expire_time=expire_time,
            attributed_to=attributed_to,
            entities=entities,
            etag=etag,
            reason=reason,
        )
        request = update.request(request_id or new_request_id())
        answer = await self._transport.unary(self._transport.memory.UpdateMemory, request, timeout)
        return read_memory(answer.memory)

    async def update_many(
        self,
        updates: Sequence[MemoryUpdate | Mapping[str, Any]],
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> tuple[Memory, ...]:
        """Up to 1,000 memories, changed all or none, in the order given.

        Args:
            updates: `MemoryUpdate` objects, or mappings with the arguments of `update`.
            request_id: Makes the call safe to repeat; made up if left out, and kept over retries.
            timeout: Seconds for the call; the client's if left out.
        """
        request = memory_service_pb2.BatchUpdateMemoriesRequest(
            requests=[values.as_record(MemoryUpdate, update).request() for update in updates],
            request_id=request_id or new_request_id(),
        )
        answer = await self._transport.unary(self._transport.memory.BatchUpdateMemories, request, timeout)
        return tuple(read_memory(memory) for memory in answer.memories)

    async def delete(
        self,
        memory_id: str,
        *,
        etag: str = "",
        reason: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Memory:
        """The memory as it was when it was deleted. `restore` brings it back within the retention time
        (30 days by default).

        Raises:
            NotFoundError: No such memory in this key's project and scope.
            EtagMismatchError: The given `etag` is not the current one.
        """
        request = memory_service_pb2.DeleteMemoryRequest(
            id=memory_id, etag=etag, reason=reason, request_id=request_id or new_request_id()
        )
        answer = await self._transport.unary(self._transport.memory.DeleteMemory, request, timeout)
        return read_memory(answer.memory)

    async def delete_many(
        self,
        memory_ids: Sequence[str],
        *,
        reason: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> int:
        """How many were deleted: up to 1,000 memories, all or none."""
        request = memory_service_pb2.BatchDeleteMemoriesRequest(
            ids=memory_ids, reason=reason, request_id=request_id or new_request_id()
        )
        answer = await self._transport.unary(self._transport.memory.BatchDeleteMemories, request, timeout)
        return answer.deleted_count

    async def delete_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        dry_run: bool = False,
        reason: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> DeleteMemoriesResponse:
        """How many memories the arguments select, all of them now deleted (with `dry_run`: only counted).

        Past 10,000 the work goes on in the background, and the answer names its operation.

        Raises:
            InvalidArgumentError: No scope id and not `project_wide` (SCOPE_REQUIRED).
        """
        scope, condition = Selection(
            ScopeIds(user_id, agent_id, app_id, run_id), filters, project_wide
        ).resolved()
        request = memory_service_pb2.DeleteMemoriesRequest(
            scope=scope,
            project_wide=project_wide,
            filter=condition,
            dry_run=dry_run,
            reason=reason,
            request_id=request_id or new_request_id(),
        )
        answer = await self._transport.unary(self._transport.memory.DeleteMemories, request, timeout)
        return read_delete_memories_response(answer)

    async def reset(
        self, *, request_id: str | None = None, timeout: float | None = None
    ) -> DeleteMemoriesResponse:
        """Deletes every memory of the project (role admin): `delete_all(project_wide=True)`."""
        return await self.delete_all(
            project_wide=True, reason="reset", request_id=request_id, timeout=timeout
        )

    async def restore(
        self,
        memory_id: str,
        *,
        etag: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Memory:
        """A deleted or expired memory, brought back.

        Raises:
            NotFoundError: No such memory in this key's project and scope.
            FailedPreconditionError: It is not deleted (MEMORY_NOT_DELETED), or its content is erased
                (RETENTION_PASSED).
        """
        request = memory_service_pb2.RestoreMemoryRequest(
            id=memory_id, etag=etag, request_id=request_id or new_request_id()
        )
        answer = await self._transport.unary(self._transport.memory.RestoreMemory, request, timeout)
        return read_memory(answer.memory)

    async def revert(
        self,
        memory_id: str,
        version: int,
        *,
        etag: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Memory:
        """The memory with the text and attributes of an earlier version, as a new version."""
        request = memory_service_pb2.RevertMemoryRequest(
            id=memory_id, version=version, etag=etag, request_id=request_id or new_request_id()
        )
        answer = await self._transport.unary(self._transport.memory.RevertMemory, request, timeout)
        return read_memory(answer.memory)

    def list_versions(
        self, memory_id: str, *, page_size: int = 0, page_token: str = "", timeout: float | None = None
    ) -> AsyncPager[Version]:
        """The history of one memory, oldest version first: iterate over it, or over `pages()`."""
        request = memory_service_pb2.ListVersionsRequest(memory_id=memory_id, page_size=page_size)

        async def fetch(token: str) -> Page[Version]:
            page = at_page(request, token)
            answer = await self._transport.unary(self._transport.memory.ListVersions, page, timeout)
            return Page(tuple(read_version(version) for version in answer.versions), answer.next_page_token)

        return AsyncPager(fetch, page_token)

    async def history(self, memory_id: str, *, timeout: float | None = None) -> tuple[Version, ...]:
        """The whole history of one memory, oldest version first: `list_versions`, read to the end."""
        return await self.list_versions(memory_id, page_size=500, timeout=timeout).collect()

    def watch(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        project_wide: bool = False,
        filters: Filters | None = None,
        events: Sequence[VersionEvent | str] = (),
        resume_token: str | None = None,
        after_sequence: int | None = None,
        heartbeat: timedelta | float | None = None,
        patience: float = PATIENCE,
    ) -> AsyncWatch:
        """The project's log as it grows: each change once, in order.

        A context manager to iterate over. Once it is entered no change is missed: after a break of the
        connection, a restart of the server or a reader that was too slow it goes on by itself where it
        stopped.

        Args:
            user_id: Whose changes; at least one of the four ids unless `project_wide`.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            project_wide: Of the whole project (role admin).
            filters: Changes whose memory, after the change, passes it.
            events: Kinds of change, as ADDED or DELETED; all if left out.
            resume_token: Goes on after what this token of another watch covers.
            after_sequence: Begins after this place in the log; 0 for the whole log. Without it and
                without a token it begins now.
            heartbeat: How often the server says that it is still there: 1 second to 5 minutes, 15 seconds
                if left out.
            patience: Seconds that a broken stream is tried to be resumed.
        """
        scope, condition = Selection(
            ScopeIds(user_id, agent_id, app_id, run_id), filters, project_wide
        ).resolved()
        request = memory_service_pb2.WatchMemoriesRequest(
            scope=scope,
            project_wide=project_wide,
            filter=condition,
            events=[enums.VERSION_EVENT.write(event) for event in events],
            heartbeat_interval=None if heartbeat is None else values.write_duration(heartbeat),
        )
        if resume_token is not None:
            request.resume_token = resume_token
        elif after_sequence is not None:
            request.after_sequence = after_sequence
        return AsyncWatch(self._transport, request, Resumption(self._transport.retry, patience))

    async def feedback(
        self,
        memory_id: str,
        rating: FeedbackRating | str,
        *,
        reason: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """The id of the stored judgement: POSITIVE, NEGATIVE or VERY_NEGATIVE, and why."""
        request = memory_service_pb2.SubmitFeedbackRequest(
            memory_id=memory_id,
            rating=enums.FEEDBACK_RATING.write(rating),
            reason=reason,
            request_id=request_id or new_request_id(),
        )
        answer = await self._transport.unary(self._transport.memory.SubmitFeedback, request, timeout)
        return answer.feedback_id
