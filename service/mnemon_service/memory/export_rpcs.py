"""ExportMemories: a whole selection as a stream, as of one place in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from mnemon.v1 import memory_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.model.call import Call, Send
from mnemon_service.model.errors import Reason
from mnemon_service.record.exports import Place, place_of
from mnemon_service.record.moments import Moment
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Selection
from mnemon_service.wire.filters import from_filter
from mnemon_service.wire.memories import to_memory, to_version
from mnemon_service.wire.scopes import access_of, from_as_of, read_scope

PAGE: Final = 500
"""Memories, or versions, read and sent at a time."""
MESSAGE_BYTES: Final = 1024 * 1024
"""A message is sent once its memories or versions take so many bytes: clients accept 4 MiB by default."""
_BEGINNING: Final = Place()
_NO_VERSION: Final = ("", 0)

Part = TypeVar("Part", bound=Message)


@dataclass(frozen=True, slots=True)
class _Progress:
    """Where an export is: what its resume token holds."""

    moment: Moment
    page: Place = _BEGINNING
    """Behind the page before the present one."""
    sent: Place = _BEGINNING
    """Behind the last memory sent."""
    version: tuple[str, int] = _NO_VERSION
    """Behind the last version sent of the present page."""
    count: int = 0

    def values(self) -> list[Any]:
        """As JSON values, for the token."""
        page, sent = self.page, self.sent
        return [
            *(self.moment.position, self.moment.now, page.create_time, page.id),
            *(sent.create_time, sent.id, *self.version, self.count),
        ]

    @classmethod
    def of(cls, values: list[Any]) -> _Progress:
        """The progress in a token."""
        position, now, page_time, page_id, sent_time, sent_id, version_id, version, count = values
        return cls(
            Moment(position, now),
            Place(page_time, page_id),
            Place(sent_time, sent_id),
            (version_id, version),
            count,
        )


class ExportRpcs:
    """ExportMemories."""

    def __init__(self, record: Record) -> None:
        self._exported = record

    async def ExportMemories(
        self, request: pb.ExportMemoriesRequest, call: Call, send: Send[pb.ExportMemoriesResponse]
    ) -> None:
        """See the contract. `send` waits for a slow reader, so no more than a page is held in memory."""
        export = await self._opened(request, call)
        empty = True
        async for message in export.messages():
            empty = False
            await send(message)
        if empty:
            await send(export.message())

    async def _opened(self, request: pb.ExportMemoriesRequest, call: Call) -> _Export:
        access = access_of(call.caller)
        selection = Selection(
            scope=read_scope(request.scope, call.caller, project_wide=request.project_wide),
            filter=from_filter(request.filter) if request.HasField("filter") else None,
            show_superseded=request.show_superseded,
            show_deleted=request.show_deleted,
            as_of=from_as_of(request.as_of) if request.HasField("as_of") else None,
        )
        name = ["export", repr(access), repr(selection), request.include_versions]
        if request.resume_token:
            progress = _Progress.of(
                self._exported.tokens.read(
                    name,
                    request.resume_token,
                    field="resume_token",
                    reason=Reason.RESUME_TOKEN_INVALID,
                )
            )
        else:
            progress = _Progress(await self._exported.exports.moment(access, selection))
        return _Export(
            self._exported, access, selection, name, progress, with_versions=request.include_versions
        )


class _Export:
    """One stream."""

    def __init__(
        self,
        record: Record,
        access: Access,
        selection: Selection,
        name: object,
        progress: _Progress,
        *,
        with_versions: bool,
    ) -> None:
        self._record = record
        self._access = access
        self._selection = selection
        self._name = name
        self._progress = progress
        self._with_versions = with_versions

    async def messages(self) -> AsyncIterator[pb.ExportMemoriesResponse]:
        """What is left to send."""
        while memories := await self._record.exports.page(
            self._access, self._selection, self._progress.moment, self._progress.page, PAGE
        ):
            places = {memory.id: place_of(memory) for memory in memories}
            sent = self._progress.sent
            fresh = [to_memory(memory) for memory in memories if _key(places[memory.id]) > _key(sent)]
            for part in _parts(fresh):
                self._progress = replace(
                    self._progress, sent=places[part[-1].id], count=self._progress.count + len(part)
                )
                yield self.message(memories=part)
            if self._with_versions:
                async for message in self._histories(list(places)):
                    yield message
            last = place_of(memories[-1])
            self._progress = replace(self._progress, page=last, sent=last, version=_NO_VERSION)
            if len(memories) < PAGE:
                return

    async def _histories(self, memory_ids: list[str]) -> AsyncIterator[pb.ExportMemoriesResponse]:
        position = self._progress.moment.position
        while versions := await self._record.exports.histories(
            self._access, memory_ids, position, self._progress.version, PAGE
        ):
            for part in _parts([to_version(version) for version in versions]):
                self._progress = replace(self._progress, version=(part[-1].memory_id, part[-1].version))
                yield self.message(versions=part)
            if len(versions) < PAGE:
                return

    def message(
        self,
        *,
        memories: list[memory_pb2.Memory] | None = None,
        versions: list[memory_pb2.Version] | None = None,
    ) -> pb.ExportMemoriesResponse:
        """A message that leads to where the stream is now."""
        return pb.ExportMemoriesResponse(
            memories=memories,
            versions=versions,
            sequence=self._progress.moment.position,
            resume_token=self._record.tokens.issue(self._name, self._progress.values()),
            exported_count=self._progress.count,
        )


def _key(place: Place) -> tuple[int, str]:
    return place.create_time, place.id


def _parts(items: Iterable[Part]) -> Iterable[list[Part]]:
    """The items in lists of at least one, and of not much more than `MESSAGE_BYTES`."""
    part: list[Part] = []
    size = 0
    for item in items:
        part.append(item)
        size += item.ByteSize()
        if size >= MESSAGE_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
