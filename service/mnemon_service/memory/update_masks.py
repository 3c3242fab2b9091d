"""Which fields an update sets, and to what (AIP-134)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from mnemon.v1 import memory_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.add_messages import future
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.memory import Memory, MemoryType
from mnemon_service.wire.enums import MEMORY_TYPES
from mnemon_service.wire.memories import from_entities, from_event_time
from mnemon_service.wire.metadata import check_size, from_struct
from mnemon_service.wire.times import from_timestamp

UPDATABLE: Final = (
    "text",
    "metadata",
    "categories",
    "type",
    "event_time",
    "expire_time",
    "attributed_to",
    "entities",
)
_METADATA_KEY: Final = "metadata."


def updated(before: Memory, request: pb.UpdateMemoryRequest, path: str = "") -> Memory:
    """The memory with the named fields set. Raises `InvalidArgument` for a field that cannot be set.

    `path` leads to the request in a batch, for error messages.
    """
    new_values: dict[str, Any] = {}
    for field in _fields(request, path):
        if field.startswith(_METADATA_KEY):
            known = new_values.get("metadata", before.metadata)
            key = field.removeprefix(_METADATA_KEY)
            new_values["metadata"] = _with_key(known, key, request.memory, f"{path}memory.metadata")
        else:
            new_values[field] = _value(field, request.memory, f"{path}memory.{field}")
    return replace(before, **new_values)


def sets_any(request: pb.UpdateMemoryRequest, fields: Collection[str]) -> bool:
    """Whether the update sets one of these fields, as far as its mask can be read."""
    named = request.update_mask.paths or [descriptor.name for descriptor, _ in request.memory.ListFields()]
    return not set(fields).isdisjoint(named)


def _fields(request: pb.UpdateMemoryRequest, path: str) -> Iterable[str]:
    named = list(request.update_mask.paths)
    if not named:
        set_fields = {descriptor.name for descriptor, _ in request.memory.ListFields()}
        named = [field for field in UPDATABLE if field in set_fields]
    if not named:
        raise InvalidArgument.of(f"{path}update_mask", f"name at least one of {', '.join(UPDATABLE)}")
    for field in named:
        if field not in UPDATABLE and not (field.startswith(_METADATA_KEY) and field != _METADATA_KEY):
            raise InvalidArgument.of(
                f"{path}update_mask",
                f"{field!r} cannot be set; {', '.join(UPDATABLE)} and metadata.<key> can",
            )
    return named


def _with_key(known: Mapping[str, Any], key: str, memory: memory_pb2.Memory, path: str) -> dict[str, Any]:
    """The metadata with one key set, or taken out if the request does not give it.

    The key may lead into nested objects, joined by dots as in filters; a key that holds dots itself is
    meant where the request or the memory has one.
    """
    given = from_struct(memory.metadata, path)
    keys = [key] if key in given or key in known else key.split(".")
    changed = _with_value(known, keys, given)
    check_size(changed, path)
    return changed


def _with_value(known: Mapping[str, Any], keys: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    first, rest = keys[0], keys[1:]
    others = {key: value for key, value in known.items() if key != first}
    if not rest:
        return {**known, first: given[first]} if first in given else others
    inner = _with_value(_object(known.get(first)), rest, _object(given.get(first)))
    return {**known, first: inner} if inner or first in known else others


def _object(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _value(field: str, memory: memory_pb2.Memory, path: str) -> Any:  # noqa: ANN401 (of the field's own type)
    match field:
        case "text":
            if not memory.text.strip():
                raise InvalidArgument.of(path, "must hold more than white space")
            return memory.text
        case "metadata":
            return from_struct(memory.metadata, path)
        case "categories":
            return tuple(memory.categories)
        case "type":
            return MEMORY_TYPES.from_wire(memory.type, MemoryType.SEMANTIC)
        case "event_time":
            return from_event_time(memory.event_time, path) if memory.HasField("event_time") else None
        case "expire_time":
            if not memory.HasField("expire_time"):
                return None
            return future(from_timestamp(memory.expire_time, path), datetime.now(UTC), path)
        case "entities":
            return from_entities(memory.entities)
        case _:
            return memory.attributed_to
