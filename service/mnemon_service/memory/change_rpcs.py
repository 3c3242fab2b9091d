"""Updating, deleting, restoring, reverting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.changing import Changer
from mnemon_service.memory.ports import ContentScreen
from mnemon_service.memory.screened_texts import StoredText, screen_found, stored_texts
from mnemon_service.memory.update_masks import sets_any, updated
from mnemon_service.model.call import Call
from mnemon_service.model.errors import FailedPrecondition, InvalidArgument, NotFound, Reason
from mnemon_service.model.ids import is_id
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Memory
from mnemon_service.model.settings import ContentPolicy, SettingsSource
from mnemon_service.record.writing import Write
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.memories import to_memory
from mnemon_service.wire.scopes import access_of


class ChangeRpcs:
    """UpdateMemory, DeleteMemory, RestoreMemory, RevertMemory and their batches."""

    def __init__(self, changer: Changer, settings: SettingsSource, screen: ContentScreen) -> None:
        self._changer = changer
        self._settings = settings
        self._screen = screen

    async def UpdateMemory(self, request: pb.UpdateMemoryRequest, call: Call) -> pb.UpdateMemoryResponse:
        """See the contract."""
        key = request_key(call, request.request_id, request)
        _take_ids([request])
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
        key = request_key(call, request.request_id, request)
        ids = _take_ids(request.requests, "requests[{}].")
        for place, single in enumerate(request.requests):
            if single.request_id:
                raise InvalidArgument.of(
                    f"requests[{place}].request_id", "must be empty: the batch has a request_id of its own"
                )
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
            memory_id = request.id.lower()
            await write.current([memory_id])
            version = write.delete(memory_id, etag=request.etag, reason=request.reason)
            return pb.DeleteMemoryResponse(memory=to_memory(version.memory, version.sequence))

        key = request_key(call, request.request_id, request)
        return await self._changer.change(call, key, pb.DeleteMemoryResponse, work)

    async def BatchDeleteMemories(
        self, request: pb.BatchDeleteMemoriesRequest, call: Call
    ) -> pb.BatchDeleteMemoriesResponse:
        """See the contract."""

        ids = _each_once([memory_id.lower() for memory_id in request.ids], "ids")

        async def work(write: Write) -> pb.BatchDeleteMemoriesResponse:
            await write.current(ids)
            for memory_id in ids:
                write.delete(memory_id, reason=request.reason)
            return pb.BatchDeleteMemoriesResponse(deleted_count=len(ids))

        key = request_key(call, request.request_id, request)
        return await self._changer.change(call, key, pb.BatchDeleteMemoriesResponse, work)

    async def RestoreMemory(self, request: pb.RestoreMemoryRequest, call: Call) -> pb.RestoreMemoryResponse:
        """See the contract."""

        memory_id = request.id.lower()

        async def work(write: Write) -> pb.RestoreMemoryResponse:
            await write.load([memory_id])
            version = write.restore(memory_id, etag=request.etag)
            return pb.RestoreMemoryResponse(memory=to_memory(version.memory, version.sequence))

        key = request_key(call, request.request_id, request)
        async with self._unless_erased(call, memory_id):
            return await self._changer.change(call, key, pb.RestoreMemoryResponse, work)

    async def RevertMemory(self, request: pb.RevertMemoryRequest, call: Call) -> pb.RevertMemoryResponse:
        """See the contract."""
        memory_id = request.id.lower()

        async def work(write: Write) -> pb.RevertMemoryResponse:
            await write.current([memory_id])
            version = await write.revert(memory_id, request.version, etag=request.etag)
            return pb.RevertMemoryResponse(memory=to_memory(version.memory, version.sequence))

        key = request_key(call, request.request_id, request)
        async with self._unless_erased(call, memory_id):
            return await self._changer.change(call, key, pb.RevertMemoryResponse, work)

    @asynccontextmanager
    async def _unless_erased(self, call: Call, memory_id: str) -> AsyncIterator[None]:
        """Says of a memory that is gone for good that it is, to who could see it while it was there."""
        try:
            yield
        except NotFound as error:
            if error.reason is Reason.MEMORY_NOT_FOUND and await self._changer.was_erased(call, memory_id):
                raise FailedPrecondition(
                    f"the content of memory {memory_id} was erased", reason=Reason.RETENTION_PASSED
                ) from None
            raise

    async def _new_texts(self, requests: Sequence[pb.UpdateMemoryRequest], call: Call) -> list[str]:
        """What must be embedded if the updates find the memories as they are now."""
        changing = [request for request in requests if sets_any(request, ("text", "attributed_to"))]
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
        """Lets the project's content policy see what the requests set, and replaces what it redacts."""
        settings = await self._settings.of(access_of(call.caller).project_id)
        if settings.content_policy is ContentPolicy.OFF:
            return
        found: list[StoredText] = []
        for request in requests:
            found += stored_texts(request, ("reason",))
            paths = request.update_mask.paths
            fields = {path.partition(".")[0] for path in paths}
            # A path that names a key of the metadata must find it again.
            found += stored_texts(request.memory, fields, keys=not any(map(_names_key, paths)))
        screen_found(self._screen, settings, found)


def _names_key(path: str) -> bool:
    return "." in path


def _take_ids(requests: Sequence[pb.UpdateMemoryRequest], path: str = "") -> list[str]:
    """The ids of the memories to change, each once; in the requests too they get their canonical form."""
    for place, request in enumerate(requests):
        request.memory.id = request.memory.id.lower()
        if not is_id(request.memory.id):
            raise InvalidArgument.of(f"{path.format(place)}memory.id", "must be a UUID")
    return _each_once([request.memory.id for request in requests], "requests")


def _each_once(ids: list[str], field: str) -> list[str]:
    if len(set(ids)) < len(ids):
        raise InvalidArgument.of(field, "must name each memory once")
    return ids


async def _update(write: Write, request: pb.UpdateMemoryRequest, path: str = "") -> Memory:
    before = (await write.current([request.memory.id]))[request.memory.id]
    version = write.update(updated(before, request, path), etag=request.memory.etag, reason=request.reason)
    return version.memory
