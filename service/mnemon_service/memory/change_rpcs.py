"""Updating, deleting, restoring, reverting."""

from __future__ import annotations

from collections.abc import Sequence

from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.changing import Changer
from mnemon_service.memory.ports import ContentScreen
from mnemon_service.memory.update_masks import updated
from mnemon_service.model.call import Call
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Memory
from mnemon_service.model.settings import SettingsSource
from mnemon_service.record.writing import Write
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.memories import to_memory


class ChangeRpcs:
    """UpdateMemory, DeleteMemory, RestoreMemory, RevertMemory and their batches."""

    def __init__(self, changer: Changer, settings: SettingsSource, screen: ContentScreen) -> None:
        self._changer = changer
        self._settings = settings
        self._screen = screen

    async def UpdateMemory(self, request: pb.UpdateMemoryRequest, call: Call) -> pb.UpdateMemoryResponse:
        """See the contract."""
        key = request_key(call, request.request_id, request)
        await self._screen_texts([request], call)

        async def work(write: Write) -> pb.UpdateMemoryResponse:
            await write.current([request.memory.id])
            return pb.UpdateMemoryResponse(memory=to_memory(await _update(write, request)))

        return await self._changer.change(
            call, key, pb.UpdateMemoryResponse, work, await self._new_texts([request], call)
        )

    async def BatchUpdateMemories(
        self, request: pb.BatchUpdateMemoriesRequest, call: Call
    ) -> pb.BatchUpdateMemoriesResponse:
        """See the contract."""
        ids = [single.memory.id for single in request.requests]
        if len(set(ids)) < len(ids):
            raise InvalidArgument.of("requests", "must name each memory once")
        for place, single in enumerate(request.requests):
            if single.request_id:
                raise InvalidArgument.of(
                    f"requests[{place}].request_id", "must be empty: the batch has a request_id of its own"
                )
        key = request_key(call, request.request_id, request)
        await self._screen_texts(request.requests, call)

        async def work(write: Write) -> pb.BatchUpdateMemoriesResponse:
            await write.current(ids)
            memories = [
                to_memory(await _update(write, single, f"requests[{place}]."))
                for place, single in enumerate(request.requests)
            ]
            return pb.BatchUpdateMemoriesResponse(memories=memories)

        return await self._changer.change(
            call,
            key,
            pb.BatchUpdateMemoriesResponse,
            work,
            await self._new_texts(request.requests, call),
        )

    async def DeleteMemory(self, request: pb.DeleteMemoryRequest, call: Call) -> pb.DeleteMemoryResponse:
        """See the contract."""

        async def work(write: Write) -> pb.DeleteMemoryResponse:
            await write.current([request.id])
            version = write.delete(request.id, etag=request.etag, reason=request.reason)
            return pb.DeleteMemoryResponse(memory=to_memory(version.memory, version.sequence))

        key = request_key(call, request.request_id, request)
        return await self._changer.change(call, key, pb.DeleteMemoryResponse, work)

    async def BatchDeleteMemories(
        self, request: pb.BatchDeleteMemoriesRequest, call: Call
    ) -> pb.BatchDeleteMemoriesResponse:
        """See the contract."""

        async def work(write: Write) -> pb.BatchDeleteMemoriesResponse:
            await write.current(request.ids)
            for memory_id in request.ids:
                write.delete(memory_id, reason=request.reason)
            return pb.BatchDeleteMemoriesResponse(deleted_count=len(request.ids))

        key = request_key(call, request.request_id, request)
        return await self._changer.change(call, key, pb.BatchDeleteMemoriesResponse, work)

    async def RestoreMemory(self, request: pb.RestoreMemoryRequest, call: Call) -> pb.RestoreMemoryResponse:
        """See the contract."""

        async def work(write: Write) -> pb.RestoreMemoryResponse:
            await write.current([request.id], show_deleted=True)
            version = write.restore(request.id, etag=request.etag)
            return pb.RestoreMemoryResponse(memory=to_memory(version.memory, version.sequence))

        key = request_key(call, request.request_id, request)
        return await self._changer.change(call, key, pb.RestoreMemoryResponse, work)

    async def RevertMemory(self, request: pb.RevertMemoryRequest, call: Call) -> pb.RevertMemoryResponse:
        """See the contract."""

        async def work(write: Write) -> pb.RevertMemoryResponse:
            await write.current([request.id])
            version = await write.revert(request.id, request.version, etag=request.etag)
            return pb.RevertMemoryResponse(memory=to_memory(version.memory, version.sequence))

        key = request_key(call, request.request_id, request)
        return await self._changer.change(call, key, pb.RevertMemoryResponse, work)

    async def _new_texts(self, requests: Sequence[pb.UpdateMemoryRequest], call: Call) -> list[str]:
        """What must be embedded if the updates find the memories as they are now."""
        changing = [
            request
            for request in requests
            if request.memory.text
            or request.memory.attributed_to
            or {"text", "attributed_to"} & set(request.update_mask.paths)
        ]
        if not changing:
            return []
        ids = [request.memory.id for request in changing]
        present = await self._changer.present(call, ids)
        texts: list[str] = []
        for request in changing:
            if request.memory.id in present:
                after = updated(present[request.memory.id], request)
                texts += embedded_texts(after.text, after.attributed_to)
        return texts

    async def _screen_texts(self, requests: Sequence[pb.UpdateMemoryRequest], call: Call) -> None:
        """Lets the project's content policy see the new texts, and replaces what it redacts."""
        settings = await self._settings.of(call.caller.project_id)
        screened = self._screen.screen(settings, [request.memory.text for request in requests])
        for request, text in zip(requests, screened, strict=True):
            request.memory.text = text


async def _update(write: Write, request: pb.UpdateMemoryRequest, path: str = "") -> Memory:
    before = (await write.current([request.memory.id]))[request.memory.id]
    version = write.update(updated(before, request, path), etag=request.memory.etag, reason=request.reason)
    return version.memory
