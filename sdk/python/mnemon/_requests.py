"""Keyword arguments as the contract's requests; both clients build theirs here."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._convert.memory import write_entity, write_event_time
from mnemon._errors import InvalidArgumentError
from mnemon._messages import Messages, write_messages
from mnemon._metadata import new_request_id
from mnemon._types import Entity, EventTime, MemoryType
from mnemon.filters import Filters, split_scope, to_filter
from mnemon.v1 import filter_pb2, memory_pb2, memory_service_pb2, scope_pb2, search_service_pb2

L = TypeVar("L", bound=Message)

AsOf = datetime | int
"""A moment of the past: a time, or a place in the project's log."""

AnyEventTime = EventTime | Mapping[str, Any] | datetime
"""When something happened: with its precision, or an instant."""

AnyEntity = Entity | Mapping[str, Any] | str
"""A named thing: with its type, or its name alone."""


class Unset(enum.Enum):
    """The default of arguments for which None means "clear it"."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset.UNSET
"""Leave the field as it is."""


@dataclass(frozen=True)
class ScopeIds:
    """The four ids of a scope, as they come in by keyword."""

    user_id: str | None = None
    agent_id: str | None = None
    app_id: str | None = None
    run_id: str | None = None

    def message(self) -> scope_pb2.Scope | None:
        """The contract's scope; None if no id is named."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        return scope_pb2.Scope(**named) if named else None


@dataclass(frozen=True)
class Selection:
    """Which memories a read or deletion means."""

    scope: ScopeIds
    filters: Filters | None = None
    project_wide: bool = False

    def resolved(self) -> tuple[scope_pb2.Scope | None, filter_pb2.Filter | None]:
        """Scope and filter. Ids that stand in mem0's JSON filter are taken as the scope if the call names
        none itself, as mem0's users are used to.
        """
        scope = self.scope.message()
        if scope is None and not self.project_wide and isinstance(self.filters, Mapping):
            ids, rest = split_scope(self.filters)
            return ScopeIds(**ids).message(), to_filter(rest)
        return scope, to_filter(self.filters)


def write_as_of(moment: AsOf | None) -> memory_pb2.AsOf | None:
    """The contract's moment."""
    if moment is None:
        return None
    if isinstance(moment, int):
        return memory_pb2.AsOf(sequence=moment)
    return memory_pb2.AsOf(time=values.write_time(moment))


def write_any_event_time(event_time: AnyEventTime | None) -> memory_pb2.EventTime | None:
    """The contract's event time; a bare instant is exact."""
    if event_time is None:
        return None
    if isinstance(event_time, datetime):
        return memory_pb2.EventTime(
            time=values.write_time(event_time), precision=enums.EVENT_TIME_PRECISION.write("INSTANT")
        )
    return write_event_time(event_time)


def write_any_entity(entity: AnyEntity) -> memory_pb2.Entity:
    """The contract's entity; a bare name has no type."""
    return memory_pb2.Entity(name=entity) if isinstance(entity, str) else write_entity(entity)


@dataclass(frozen=True)
class Addition:
    """What `add` and `enqueue` take."""

    messages: Messages | None
    texts: Sequence[str]
    scope: ScopeIds
    infer: bool | None
    metadata: Mapping[str, Any] | None
    categories: Sequence[str]
    memory_type: MemoryType | str | None
    expire_time: datetime | None
    ttl: timedelta | float | None
    event_time: AnyEventTime | None
    custom_instructions: str
    includes: Sequence[str]
    excludes: Sequence[str]
    request_id: str | None
    dry_run: bool = False

    def request(self) -> memory_service_pb2.AddMemoriesRequest:
        """The contract's request."""
        if self.expire_time is not None and self.ttl is not None:
            raise InvalidArgumentError.of("ttl", "give expire_time or ttl, not both")
        request = memory_service_pb2.AddMemoriesRequest(
            scope=self.scope.message(),
            messages=write_messages(self.messages),
            texts=_strings("texts", self.texts),
            infer=self.infer,
            metadata=None if self.metadata is None else values.write_struct(self.metadata),
            categories=_strings("categories", self.categories),
            type=enums.MEMORY_TYPE.write(self.memory_type),
            event_time=write_any_event_time(self.event_time),
            custom_instructions=self.custom_instructions,
            includes=_strings("includes", self.includes),
            excludes=_strings("excludes", self.excludes),
            dry_run=self.dry_run,
            request_id=self.request_id or new_request_id(),
        )
        if self.expire_time is not None:
            request.expire_time.CopyFrom(values.write_time(self.expire_time))
        if self.ttl is not None:
            request.ttl.CopyFrom(values.write_duration(self.ttl))
        return request


@dataclass(frozen=True)
class Query:
    """What the searches take."""

    query: str
    selection: Selection
    top_k: int | None = None
    threshold: float | None = None
    mode: str | None = None
    rerank: bool = False
    diversity: float | None = None
    as_of: AsOf | None = None
    reference_time: datetime | None = None
    show_superseded: bool = False
    include_messages: bool = False
    explain: bool = False

    def request(self) -> search_service_pb2.SearchRequest:
        """The contract's request."""
        scope, filters = self.selection.resolved()
        return search_service_pb2.SearchRequest(
            query=self.query,
            scope=scope,
            project_wide=self.selection.project_wide,
            filter=filters,
            top_k=self.top_k,
            threshold=self.threshold,
            mode=enums.SEARCH_MODE.write(self.mode),
            rerank=self.rerank,
            diversity=self.diversity,
            as_of=write_as_of(self.as_of),
            reference_time=None if self.reference_time is None else values.write_time(self.reference_time),
            show_superseded=self.show_superseded,
            include_messages=self.include_messages,
            explain=self.explain,
        )


@dataclass(frozen=True, kw_only=True)
class MemoryUpdate:
    """One change of one memory: fields left out stay as they are, None clears them."""

    memory_id: str
    """The memory."""
    text: str | Unset = UNSET
    """The new statement; it is embedded anew."""
    metadata: Mapping[str, Any] | Unset | None = UNSET
    """New JSON values in place of all the old ones."""
    merge_metadata: Mapping[str, Any] | None = None
    """JSON values to set key by key; keys that are not named stay. A value of None removes its key."""
    categories: Sequence[str] | Unset | None = UNSET
    memory_type: MemoryType | str | Unset = UNSET
    event_time: AnyEventTime | Unset | None = UNSET
    expire_time: datetime | Unset | None = UNSET
    attributed_to: str | Unset | None = UNSET
    entities: Sequence[AnyEntity] | Unset | None = UNSET
    etag: str = ""
    """If given, must be the current one."""
    reason: str = ""
    """Why, for the history."""

    def request(self, request_id: str = "") -> memory_service_pb2.UpdateMemoryRequest:
        """The contract's request, with a mask of what is given."""
        memory = memory_pb2.Memory(id=self.memory_id, etag=self.etag)
        paths = [path for path in _WRITERS if getattr(self, _ARGUMENTS.get(path, path)) is not UNSET]
        for path in paths:
            value = getattr(self, _ARGUMENTS.get(path, path))
            if value is not None:
                _WRITERS[path](memory, value)
        if self.merge_metadata:
            if self.metadata is not UNSET:
                raise InvalidArgumentError.of("merge_metadata", "give metadata or merge_metadata, not both")
            set_keys = {key: value for key, value in self.merge_metadata.items() if value is not None}
            memory.metadata.CopyFrom(values.write_struct(set_keys))
            paths += [f"metadata.{key}" for key in self.merge_metadata]
        if not paths:
            raise InvalidArgumentError.of("update", "name at least one field to change")
        return memory_service_pb2.UpdateMemoryRequest(
            memory=memory, update_mask=FieldMask(paths=paths), reason=self.reason, request_id=request_id
        )


_ARGUMENTS = {"type": "memory_type"}


def _write_text(memory: memory_pb2.Memory, value: str) -> None:
    memory.text = value


def _write_metadata(memory: memory_pb2.Memory, value: Mapping[str, Any]) -> None:
    memory.metadata.CopyFrom(values.write_struct(value))


def _write_categories(memory: memory_pb2.Memory, value: Sequence[str]) -> None:
    memory.categories.extend(_strings("categories", value))


def _write_type(memory: memory_pb2.Memory, value: MemoryType | str) -> None:
    memory.type = enums.MEMORY_TYPE.write(value)


def _write_event_time(memory: memory_pb2.Memory, value: AnyEventTime) -> None:
    memory.event_time.CopyFrom(write_any_event_time(value) or memory_pb2.EventTime())


def _write_expire_time(memory: memory_pb2.Memory, value: datetime) -> None:
    memory.expire_time.CopyFrom(values.write_time(value))


def _write_attributed_to(memory: memory_pb2.Memory, value: str) -> None:
    memory.attributed_to = value


def _write_entities(memory: memory_pb2.Memory, value: Sequence[AnyEntity]) -> None:
    memory.entities.extend(write_any_entity(entity) for entity in value)


_WRITERS: dict[str, Any] = {
    "text": _write_text,
    "metadata": _write_metadata,
    "categories": _write_categories,
    "type": _write_type,
    "event_time": _write_event_time,
    "expire_time": _write_expire_time,
    "attributed_to": _write_attributed_to,
    "entities": _write_entities,
}
"""How each field of the update mask gets into the message."""


def at_page(request: L, page_token: str) -> L:
    """A copy of a list's request that asks for another page."""
    copy = type(request)()
    copy.CopyFrom(request)
    copy.page_token = page_token  # type: ignore[attr-defined]
    return copy


def _strings(name: str, given: Sequence[str]) -> list[str]:
    if isinstance(given, str):
        raise InvalidArgumentError.of(name, "give a list of strings, not one string")
    return list(given)
