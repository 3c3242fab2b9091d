"""WatchMemories: the log as a stream that can be gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mnemon.v1 import memory_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.model.call import Call, Send
from mnemon_service.model.errors import OutOfRange, Reason, ResourceExhausted
from mnemon_service.model.filter import Filter
from mnemon_service.model.filter_matching import matches
from mnemon_service.model.memory import Version, VersionEvent
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.wire.enums import VERSION_EVENTS
from mnemon_service.wire.filters import from_filter
from mnemon_service.wire.memories import to_version
from mnemon_service.wire.scopes import access_of, read_scope
from mnemon_service.wire.times import from_duration

BATCH: Final = 200
"""Changes read from the log at a time: all that a stream holds in memory."""
MESSAGE_BYTES: Final = 1_048_576
"""About what one message holds; more changes come in several."""
HEARTBEAT_SECONDS: Final = 15.0
SLOW_SECONDS: Final = 60.0
"""A reader that does not take one message within this time is cut; it resumes from its last token."""
TOKEN_NAME: Final = "watch"  # noqa: S105 (the kind of token)


@dataclass(frozen=True, slots=True)
class _Watch:
    """What one stream follows."""

    access: Access
    scope: Scope
    events: tuple[VersionEvent, ...]
    filter: Filter | None
    heartbeat: float

    def wants(self, version: Version) -> bool:
        """Whether the filter lets a change through; a tombstone has no content left to match, but an id
        of the scope."""
        return self.filter is None or matches(self.filter, version.memory)


class WatchRpcs:
    """WatchMemories."""

    def __init__(self, record: Record, slow_seconds: float = SLOW_SECONDS) -> None:
        self._watched = record
        self._slow_seconds = slow_seconds

    async def WatchMemories(
        self, request: pb.WatchMemoriesRequest, call: Call, send: Send[pb.WatchMemoriesResponse]
    ) -> None:
        """See the contract."""
        watch = _watch(request, call)
        clock = asyncio.get_running_loop().time
        position = await self._start(request, watch)
        await self._send(send, self._message(watch, position, []))
        next_sign = clock() + watch.heartbeat
        while True:
            versions, read_to = await self._watched.log.after(
                watch.access, position, limit=BATCH, scope=watch.scope, events=watch.events
            )
            wanted = [to_version(version) for version in versions if watch.wants(version)]
            for place, piece in _pieces(wanted, read_to):
                await self._send(send, self._message(watch, place, piece))
                next_sign = clock() + watch.heartbeat
            position = max(position, read_to)
            if len(versions) < BATCH:
                left = max(0.0, next_sign - clock())
                await self._watched.signal.wait_beyond(watch.access.project_id, position, left)
            if clock() >= next_sign:  # also while the log grows and the filter leaves all of it out
                await self._send(send, self._message(watch, position, []))
                next_sign = clock() + watch.heartbeat

    async def _start(self, request: pb.WatchMemoriesRequest, watch: _Watch) -> int:
        end = await self._watched.log.last_sequence(watch.access)
        match request.WhichOneof("start"):
            case "resume_token":
                place = self._watched.tokens.read(
                    _name(watch),
                    request.resume_token,
                    field="resume_token",
                    reason=Reason.RESUME_TOKEN_INVALID,
                )
                position = int(place[0])
            case "after_sequence":
                position = request.after_sequence
            case _:
                return end
        if position > end:
            raise OutOfRange(f"the log ends at {end}", reason=Reason.HISTORY_ERASED)
        return position

    def _message(
        self, watch: _Watch, position: int, versions: Sequence[memory_pb2.Version]
    ) -> pb.WatchMemoriesResponse:
        return pb.WatchMemoriesResponse(
            versions=versions,
            resume_token=self._watched.tokens.issue(_name(watch), [position]),
            sequence=position,
        )

    async def _send(self, send: Send[pb.WatchMemoriesResponse], message: pb.WatchMemoriesResponse) -> None:
        try:
            async with asyncio.timeout(self._slow_seconds):
                await send(message)
        except TimeoutError:
            raise ResourceExhausted(
                "the reader fell too far behind; resume from the last token",
                reason=Reason.WATCHER_TOO_SLOW,
                retry_after=1.0,
            ) from None


def _pieces(
    versions: Sequence[memory_pb2.Version], read_to: int
) -> Iterator[tuple[int, Sequence[memory_pb2.Version]]]:
    """The changes in messages of a bounded size, each with the place in the log that it leads to."""
    start, size = 0, 0
    for place, version in enumerate(versions):
        size += version.ByteSize()
        if size > MESSAGE_BYTES and place > start:
            yield versions[place - 1].sequence, versions[start:place]
            start, size = place, version.ByteSize()
    if versions:
        yield read_to, versions[start:]


def _watch(request: pb.WatchMemoriesRequest, call: Call) -> _Watch:
    heartbeat = HEARTBEAT_SECONDS
    if request.HasField("heartbeat_interval"):
        heartbeat = from_duration(request.heartbeat_interval, "heartbeat_interval").total_seconds()
    return _Watch(
        access=access_of(call.caller),
        scope=read_scope(request.scope, call.caller, project_wide=request.project_wide),
        events=tuple(
            VERSION_EVENTS.from_wire(event, VersionEvent.ADDED) for event in request.events if event
        ),
        filter=from_filter(request.filter) if request.HasField("filter") else None,
        heartbeat=heartbeat,
    )


def _name(watch: _Watch) -> object:
    """A token belongs to one project and scope; filter and events may change between two streams."""
    return [TOKEN_NAME, watch.access.project_id, repr(watch.access.bound), repr(watch.scope)]
