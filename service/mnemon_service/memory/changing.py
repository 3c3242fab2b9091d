"""Changing what is remembered: one write, its answer kept, the index told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from mnemon_service.memory.embedding import EmbeddedTexts, TextEmbedding
from mnemon_service.memory.ports import Applier
from mnemon_service.model.call import Call
from mnemon_service.model.errors import NotFound
from mnemon_service.model.memory import Actor, Memory, VersionEvent
from mnemon_service.record.record import Record
from mnemon_service.record.selection import RequestKey, Selection
from mnemon_service.record.writing import Write
from mnemon_service.wire.scopes import access_of

Response = TypeVar("Response", bound=Message)


class Changer:
    """Runs the writes of the changing RPCs."""

    def __init__(self, record: Record, embedding: TextEmbedding, applier: Applier) -> None:
        self._record = record
        self._embedding = embedding
        self._applier = applier

    async def present(self, call: Call, memory_ids: Sequence[str]) -> dict[str, Memory]:
        """The memories as they are now, by id; those that cannot be changed are left out."""
        selection = Selection(show_superseded=True)
        return await self._record.memories.hydrate(access_of(call.caller), memory_ids, selection)

    async def was_erased(self, call: Call, memory_id: str) -> bool:
        """Whether the memory was once within the caller's reach and its content is gone for good."""
        try:
            (last, *_), _ = await self._record.log.versions_of(
                access_of(call.caller), memory_id, page_size=1, show_deleted=True
            )
        except NotFound:
            return False
        return last.event is VersionEvent.ERASED

    async def change(
        self,
        call: Call,
        key: RequestKey | None,
        response_type: type[Response],
        work: Callable[[Write], Awaitable[Response]],
        texts: Sequence[str] = (),
    ) -> Response:
        """The answer of `work`, done in one transaction; or the one given before to the same request.

        `texts` may become memories in it: they are embedded before, outside the transaction.
        """
        access = access_of(call.caller)
        if key is not None and (answer := await self._record.stored_answer(access, key)) is not None:
            return response_type.FromString(answer)
        embedded = EmbeddedTexts()
        if texts:
            with call.stages.stage("embed"):
                embedded = await self._embedding.embed(access.project_id, texts)
        with call.stages.stage("commit"):
            async with self._record.write(access, Actor(call.caller.key_id, call.rpc), key) as write:
                if write.stored_answer is not None:
                    return response_type.FromString(write.stored_answer)
                response = await work(write)
                if embedded.fresh:
                    write.save_embeddings(embedded.space, embedded.fresh)
                if key is not None:
                    write.answer(response.SerializeToString())
        with call.stages.stage("apply"):
            await self._applier.apply(access.project_id, write.versions, embedded.vectors)
        return response
